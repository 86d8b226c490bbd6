"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomic(
    path: Path, data: bytes, before_replacing: Callable[[], None] | None = None
) -> None:
    """Write a file so that `path` holds either the old content or all of the new.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    data : bytes
    before_replacing : callable, optional
        Called when the new content is on the disk and before it takes the old one's
        place.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder, "deep", "file"), b"content")
    ...     Path(folder, "deep", "file").read_bytes()
    b'content'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; give it the mode any new file has.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        if before_replacing is not None:
            before_replacing()
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    if os.name == "posix":
        # Without this the rename itself can be lost with the power.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
