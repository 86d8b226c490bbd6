"""One safetensors file that holds all a run needs to go on bit for bit.

Arrays are tensors of the file; everything else (counters, the random state, the
loader's place, the history) is JSON in its metadata. Nothing in it is executed on
loading, unlike a pickle.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.atomic import write_atomic
from tilewright.extras import require
from tilewright.safetensors_file import open_safetensors

CHECKPOINT_NAME = "checkpoint.safetensors"
_METADATA_KEY = "tilewright"
_FORMAT = 1


def save_tree(path: str | os.PathLike[str], tree: dict[str, Any]) -> None:
    """Write nested dictionaries, lists, arrays and plain values to one file.

    Parameters
    ----------
    path : path
        A safetensors file; replaced whole or not at all.
    tree : dict of str
        Leaves are NumPy arrays, numbers, strings, booleans and None.

    Raises
    ------
    TypeError
        If a leaf is of another type.
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
    skeleton = {"format": _FORMAT, "tree": _pack(tree, "", tensors)}
    metadata = {_METADATA_KEY: json.dumps(skeleton)}
    write_atomic(Path(path), safetensors.save(tensors, metadata=metadata))


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
        If the file is damaged or was not written by `save_tree`.
    ImportError
        If safetensors is not installed.
    """
    with open_safetensors(path) as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if _METADATA_KEY not in metadata:
        raise ValueError(f"{path}: was not written by tilewright's trainer")
    skeleton = json.loads(metadata[_METADATA_KEY])
    if skeleton["format"] != _FORMAT:
        raise ValueError(
            f"{path}: has format {skeleton['format']}, this version reads {_FORMAT}"
        )
    tree: dict[str, Any] = _unpack(skeleton["tree"], tensors)
    return tree


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
