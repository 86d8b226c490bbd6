"""Data sets as their authors published them: found on disk, or fetched once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tilewright.data.files import cache_dir, checked, download


@dataclass(frozen=True)
class PublishedFile:
    """One file of a data set, byte for byte as it is published.

    Attributes
    ----------
    name : str
        Of the file, on disk and in messages.
    sha256 : str
        Of its bytes, in hexadecimal.
    urls : tuple of str
        Where it can be had, in the order of trying.
    """

    name: str
    sha256: str
    urls: tuple[str, ...]


def published_bytes(
    data_set: str,
    files: Sequence[PublishedFile],
    root: str | os.PathLike[str] | None = None,
) -> list[bytes]:
    """Content of a data set's files, each one's checksum verified.

    Parameters
    ----------
    data_set : str
        Name of its folder in ``TILEWRIGHT_DATA_DIR`` and in the cache.
    files : sequence of PublishedFile
    root : path, optional
        Folder that has them, or has a folder `data_set` with them; nothing is
        downloaded then.

    Returns
    -------
    list of bytes
        One each, in the order of `files`.

    Raises
    ------
    FileNotFoundError
        If `root` lacks a file.
    ValueError
        If a file on disk is another one, naming both checksums.
    DownloadError
        If no mirror delivered a file.
    ImportError
        If a download is needed and pooch is not installed.
    """
    contents = []
    for file in files:
        path = _find(data_set, file, root)
        contents.append(checked(path.read_bytes(), file.sha256, str(path)))
    return contents


def _find(
    data_set: str, file: PublishedFile, root: str | os.PathLike[str] | None
) -> Path:
    """Path of a file that exists, downloaded if it has to be."""
    if root is not None:
        given = Path(root).expanduser()
        for path in (given / file.name, given / data_set / file.name):
            if path.is_file():
                return path
        raise FileNotFoundError(f"{data_set}: {given} has no file {file.name}")
    named = os.environ.get("TILEWRIGHT_DATA_DIR")
    if named:
        path = Path(named).expanduser() / data_set / file.name
        if path.is_file():
            return path
    path = cache_dir() / data_set / file.name
    if not path.is_file():
        download(f"{data_set}: {file.name}", file.urls, file.sha256, path, checked)
    return path
