"""Reading safetensors files, with one error for whatever is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tilewright.extras import require


@contextmanager
def open_safetensors(
    path: str | os.PathLike[str], missing: str = "no such file"
) -> Iterator[Any]:
    """Open a safetensors file of NumPy arrays for the length of a ``with`` block.

    Parameters
    ----------
    path : path
    missing : str
        What the error says before the path of a file that is not there.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, cut short, or of another format.
    ImportError
        If safetensors is not installed.

    Examples
    --------
    >>> with open_safetensors("model.safetensors") as file:  # doctest: +SKIP
    ...     names = list(file.keys())
    """
    safetensors = require("safetensors", extra="train")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{missing}: {path}")
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            yield file
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: damaged or cut short ({error})") from error
