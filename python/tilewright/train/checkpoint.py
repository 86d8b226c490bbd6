"""One safetensors file that holds all a run needs to go on bit for bit.

Arrays are tensors of the file; everything else (counters, the random state, the
loader's place, the history) is JSON in its metadata, and so is a checksum over all of
it: a bit that has flipped is noticed. Nothing is executed on loading, unlike a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.atomic import write_atomic
from tilewright.extras import require
from tilewright.safetensors_file import open_safetensors

CHECKPOINT_NAME = "checkpoint.safetensors"
_METADATA_KEY = "tilewright"
_CHECKSUM_KEY = "tilewright.sha256"
_FORMAT = 2


def save_tree(
    path: str | os.PathLike[str],
    tree: dict[str, Any],
    before_replacing: Callable[[], None] | None = None,
) -> None:
    """Write nested dictionaries, lists, arrays and plain values to one file.

    Parameters
    ----------
    path : path
        A safetensors file; replaced whole or not at all.
    tree : dict of str
        Leaves are NumPy arrays, numbers, strings, booleans and None.
    before_replacing : callable, optional
        Called when the new file is on the disk, before it takes the old one's place.

    Raises
    ------
    TypeError
        If a leaf is of another type.
    OSError
        If it cannot be written; the old file is then still there.
    ImportError
        If safetensors is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from tilewright.train.checkpoint import load_tree, save_tree
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "state.safetensors")
    ...     save_tree(name, {"step": 3, "moments": [np.ones(2, np.float32)]})
    ...     load_tree(name)
    {'step': 3, 'moments': [array([1., 1.], dtype=float32)]}
    """
    safetensors = require("safetensors.numpy", extra="train")
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    skeleton = json.dumps({"format": _FORMAT, "tree": _pack(tree, "", tensors)})
    metadata = {
        _METADATA_KEY: skeleton,
        _CHECKSUM_KEY: _checksum(skeleton, tensors),
    }
    content = safetensors.save(tensors, metadata=metadata)
    write_atomic(Path(path), content, before_replacing)


def load_tree(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `save_tree` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, by its checksum or otherwise, or was not written by
        `save_tree`.
    ImportError
        If safetensors is not installed.
    """
    with open_safetensors(path) as file:
        metadata = file.metadata() or {}
        if _METADATA_KEY not in metadata:
            raise ValueError(f"{path}: was not written by tilewright's trainer")
        try:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (TypeError, AttributeError) as error:
            raise ValueError(f"{path}: holds types that NumPy lacks") from error
    text = metadata[_METADATA_KEY]
    try:
        skeleton = json.loads(text)
        version = skeleton["format"]
        if version == _FORMAT and metadata.get(_CHECKSUM_KEY) == _checksum(
            text, tensors
        ):
            tree = _unpack(skeleton["tree"], tensors)
            if isinstance(tree, dict):
                return tree
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: damaged; its description cannot be read") from error
    if version != _FORMAT:
        raise ValueError(f"{path}: has format {version}, this version reads {_FORMAT}")
    raise ValueError(f"{path}: damaged; its content does not have its checksum")


def _checksum(skeleton: str, tensors: dict[str, np.ndarray[Any, Any]]) -> str:
    """SHA-256 of the description and of each array with its name and form."""
    digest = hashlib.sha256(skeleton.encode())
    for name in sorted(tensors):
        array = tensors[name]
        about = json.dumps([name, array.dtype.str, array.shape])
        digest.update(about.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _pack(value: Any, path: str, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    """JSON form of `value`; its arrays go to `tensors` under their path.

    Containers that JSON lacks are objects with one "$" key.
    """
    if isinstance(value, np.ndarray):
        # safetensors writes the buffer as it lies, so order has to be C.
        tensors[path] = np.array(value, order="C")
        return {"$tensor": path}
    if isinstance(value, dict):
        return {
            "$dict": [
                [_pack(key, path, tensors), _pack(item, f"{path}/{key}", tensors)]
                for key, item in value.items()
            ]
        }
    if isinstance(value, list | tuple):
        items = [_pack(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(
        f"checkpoint: cannot save {path.strip('/')} of type {type(value).__name__}"
    )


def _unpack(value: Any, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "$tensor":
        return tensors[content]
    if kind == "$tuple":
        return tuple(_unpack(item, tensors) for item in content)
    return {key: _unpack(item, tensors) for key, item in content}
