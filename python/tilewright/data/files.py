"""Files that are checked before they are used: cache, download, safe writing."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from tilewright.atomic import write_atomic
from tilewright.errors import TilewrightError
from tilewright.extras import require

_GZIP_MAGIC = b"\x1f\x8b"
_TIMEOUT_SECONDS = 30

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


def download(name: str, urls: Sequence[str], sha256: str, path: Path) -> None:
    """Fetch one file from the first mirror that has it, check it and keep it.

    Parameters
    ----------
    name : str
        What is being fetched, for errors.
    urls : sequence of str
        The same file on several mirrors, tried in order.
    sha256 : str
        Expected SHA-256 of the decompressed file.
    path : Path
        Where the decompressed file goes; written only when it is right.

    Raises
    ------
    DownloadError
        If no mirror delivered the right file; the text has each mirror's reason.
    ImportError
        If pooch is not installed.
    """
    pooch = require("pooch", extra="train")
    fetch = pooch.HTTPDownloader(chunk_size=1 << 16, timeout=_TIMEOUT_SECONDS)
    reasons = []
    for url in urls:
        received = io.BytesIO()
        try:
            fetch(url, received, None)
            raw = verified(received.getvalue(), sha256, url)
        except (OSError, ValueError) as error:
            # requests' exceptions are OSErrors.
            reasons.append(str(error) if url in str(error) else f"{url}: {error}")
            logger.info("%s: %s", name, reasons[-1])
            continue
        write_atomic(path, raw)
        return
    raise DownloadError(f"{name}: no mirror delivered the file; " + "; ".join(reasons))
