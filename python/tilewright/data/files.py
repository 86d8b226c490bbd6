"""Files that are checked before they are used: cache, download, safe writing."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tilewright.atomic import write_atomic
from tilewright.errors import TilewrightError
from tilewright.extras import require

_GZIP_MAGIC = b"\x1f\x8b"
_TIMEOUT_SECONDS = 30
# As much is lost of what came before a connection broke.
_CHUNK_BYTES = 1 << 12
_PARTIAL_CONTENT = 206
_RANGE_REFUSED = 416

# From content, checksum and source to the bytes to keep.
Check = Callable[[bytes, str, str], bytes]

logger = logging.getLogger("tilewright.data")


class DownloadError(TilewrightError):
    """No mirror delivered the file that was expected; nothing was kept."""


def cache_dir() -> Path:
    """Folder for downloaded data sets; it need not exist yet.

    ``TILEWRIGHT_CACHE_DIR`` names it, else it is the platform's cache folder.

    Returns
    -------
    Path

    Raises
    ------
    ImportError
        If the variable is not set and pooch, which knows the platform's conventions
        and does the downloading, is not installed.
    """
    named = os.environ.get("TILEWRIGHT_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    pooch = require("pooch", extra="train")
    return Path(pooch.os_cache("tilewright"))


def decompress(data: bytes, source: str) -> bytes:
    """Bytes of a gzip file, or `data` itself where it is not one.

    Parameters
    ----------
    data : bytes
        Content of a file.
    source : str
        Name used in the error.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the gzip stream is damaged or cut short.
    """
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{source}: the gzip data is damaged or cut short ({error})"
        ) from error


def verified(data: bytes, sha256: str, source: str) -> bytes:
    """Decompressed bytes, once their checksum is right.

    The checksum is of the decompressed file, for the same file is packed
    differently by different mirrors.

    Parameters
    ----------
    data : bytes
        Content of a file, gzip or not.
    sha256 : str
        Expected SHA-256 of the decompressed content, in hexadecimal.
    source : str
        Name used in the error.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the content is another one, naming both checksums.
    """
    problem = ""
    try:
        raw = decompress(data, source)
    except ValueError:
        raw, problem = data, "; its gzip data is damaged or cut short"
    actual = hashlib.sha256(raw).hexdigest()
    if actual != sha256:
        raise ValueError(
            f"{source}: wrong content: expected SHA-256 {sha256} of the decompressed "
            f"file, got {actual} of {len(raw)} bytes{problem}"
        )
    return raw


def checked(data: bytes, sha256: str, source: str) -> bytes:
    """`data` itself, once its checksum is right.

    Parameters
    ----------
    data : bytes
        Content of a file, as it is published.
    sha256 : str
        Expected SHA-256, in hexadecimal.
    source : str
        Name used in the error.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the content is another one, naming both checksums.
    """
    actual = hashlib.sha256(data).hexdigest()
    if actual != sha256:
        raise ValueError(
            f"{source}: wrong content: expected SHA-256 {sha256}, got {actual} of "
            f"{len(data)} bytes"
        )
    return data


def download(
    name: str,
    urls: Sequence[str],
    sha256: str,
    path: Path,
    check: Check = verified,
) -> None:
    """Fetch one file from the first mirror that has it, check it and keep it.

    What has arrived when a connection breaks stays beside `path` and is completed by
    the next attempt, in this call or a later one, where the mirror can send the rest
    alone (HTTP ranges, RFC 9110 section 14).

    Parameters
    ----------
    name : str
        What is being fetched, for errors.
    urls : sequence of str
        The same file on several mirrors, tried in order.
    sha256 : str
        Expected SHA-256 of what `check` looks at.
    path : Path
        Where the file goes; written only when it is right.
    check : callable, default `verified`
        From the bytes received, the checksum and the source to the bytes to keep:
        `verified` unpacks, `checked` takes the file as it is published.

    Raises
    ------
    DownloadError
        If no mirror delivered the right file; the text has each mirror's reason.
    ImportError
        If pooch is not installed.
    """
    reasons = []
    for url in urls:
        part = _part(path, url)
        try:
            raw = _received(url, part, sha256, check)
        except (OSError, ValueError) as error:
            # requests' exceptions are OSErrors.
            reasons.append(str(error) if url in str(error) else f"{url}: {error}")
            logger.info("%s: %s", name, reasons[-1])
            if part.exists() and not part.stat().st_size:
                part.unlink()
            continue
        write_atomic(path, raw)
        for mirror in urls:
            _part(path, mirror).unlink(missing_ok=True)
        return
    raise DownloadError(f"{name}: no mirror delivered the file; " + "; ".join(reasons))


def _received(url: str, part: Path, sha256: str, check: Check) -> bytes:
    """The checked content of a URL; `part` goes where it proves wrong."""
    while True:
        resumed = receive(url, part)
        try:
            return check(part.read_bytes(), sha256, url)
        except ValueError:
            part.unlink()
            # Pieces may be of different editions of the file: once more, in one.
            if not resumed:
                raise


def receive(url: str, part: Path) -> bool:
    """Bring a file up to what a URL has, going on where it ends already.

    A connection that breaks is taken up again as long as each attempt brings more.

    Parameters
    ----------
    url : str
    part : Path
        Where the bytes go; its folder is made where it is missing.

    Returns
    -------
    bool
        Whether the content came in more than one piece.

    Raises
    ------
    OSError
        If the URL cannot be read; what did arrive stays in `part`.
    ImportError
        If pooch is not installed.
    """
    pooch = require("pooch", extra="train")
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = False
    with part.open("ab") as file:

        def begin(response: Any, *_: Any, **__: Any) -> None:
            nonlocal resumed
            if response.status_code == _PARTIAL_CONTENT:
                resumed = True
            elif response.ok and not response.is_redirect:
                file.truncate(0)  # the whole file comes, from its first byte

        while True:
            size = file.tell()
            # A packed transport counts other bytes than those that are kept.
            headers = {"Range": f"bytes={size}-", "Accept-Encoding": "identity"}
            fetch = pooch.HTTPDownloader(
                chunk_size=_CHUNK_BYTES,
                timeout=_TIMEOUT_SECONDS,
                hooks={"response": begin},
                headers=headers if size else None,
            )
            try:
                fetch(url, file, None)
                return resumed
            except OSError as error:
                answer = getattr(error, "response", None)
                if size and getattr(answer, "status_code", 0) == _RANGE_REFUSED:
                    file.truncate(0)
                elif file.seek(0, os.SEEK_END) <= size:
                    raise
            file.seek(0, os.SEEK_END)


def _part(path: Path, url: str) -> Path:
    """Where the beginning of a file from this mirror is kept."""
    mirror = hashlib.sha256(url.encode()).hexdigest()[:8]
    return path.with_name(f"{path.name}.{mirror}.part")
