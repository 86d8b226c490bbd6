"""Weights as safetensors files: written whole or not at all, never executed.

The format is https://huggingface.co/docs/safetensors: a JSON header and the arrays as
they lie in memory. It sorts tensors by name; the order of the state dict is kept in
the metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.atomic import write_atomic
from tilewright.autograd import Tensor
from tilewright.extras import require
from tilewright.kernels.devices import to_host
from tilewright.nn.module import Module
from tilewright.nn.types import Array
from tilewright.safetensors_file import open_safetensors

_ORDER_KEY = "tilewright.order"
_SUFFIXES = (".npz", ".npy", ".pt", ".pth", ".pkl", ".h5")


def save(
    model: Module | Mapping[str, Any],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the weights of a model to a safetensors file.

    Parameters
    ----------
    model : Module or dict of str to ndarray
        A dict is taken as a state dict.
    path : path
        Replaced whole or not at all; its folder is made where it is missing.
    metadata : dict of str to str, optional
        Further text to keep in the file.

    Raises
    ------
    TypeError
        If it is neither, or something in the dict is no array.
    ValueError
        If the path's ending promises another format.
    ImportError
        If safetensors is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "linear.safetensors")
    ...     tw.save(model, name)
    ...     list(tw.load(name))
    ['weight', 'bias']
    """
    target = Path(path)
    if target.suffix.lower() in _SUFFIXES:
        raise ValueError(
            f"save: path must not end in {target.suffix}, the file is safetensors; "
            f"write {target.with_suffix('.safetensors').name}"
        )
    arrays = _arrays(model)
    safetensors = require("safetensors.numpy", extra="train")
    about = {_ORDER_KEY: json.dumps(list(arrays)), **(metadata or {})}
    write_atomic(target, safetensors.save(arrays, metadata=about))


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Read the arrays of a safetensors file.

    Parameters
    ----------
    path : path
        Written by :func:`save`, or by anything else that writes safetensors.

    Returns
    -------
    dict of str to ndarray
        In the order in which they were saved, where that is known; what
        ``load_state_dict`` takes.

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
    >>> import os, tempfile
    >>> import numpy as np
    >>> import tilewright as tw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "arrays.safetensors")
    ...     tw.save({"b": np.ones(2, np.float32), "a": np.arange(3)}, name)
    ...     tw.load(name)
    {'b': array([1., 1.], dtype=float32), 'a': array([0, 1, 2])}
    """
    with open_safetensors(path, "load: no such file") as file:
        metadata: dict[str, str] = file.metadata() or {}
        names: list[str] = list(file.keys())
        arrays = {name: _read(path, file, name) for name in names}
    return {name: arrays[name] for name in _order(metadata, names)}


def _arrays(model: Any) -> dict[str, Array]:
    """The state dict, with memory as it is written to the file."""
    if isinstance(model, Module):
        model = model.state_dict()
    if not isinstance(model, Mapping):
        raise TypeError(
            "save: model must be a Module or a dict of arrays, got "
            f"{type(model).__name__}"
        )
    arrays = {}
    for name, value in model.items():
        if not isinstance(name, str):
            raise TypeError(f"save: names must be text, got {name!r}")
        array = to_host(value.data if isinstance(value, Tensor) else value)
        if not isinstance(array, np.ndarray):
            raise TypeError(
                f"save: {name} must be a NumPy array or a Tensor, "
                f"got {type(value).__name__}"
            )
        if array.dtype.kind not in "biuf":
            raise TypeError(f"save: {name} must be of numbers, got {array.dtype}")
        # The buffer is written as it lies: C order, little-endian.
        little = array.dtype.newbyteorder("<")
        arrays[name] = np.array(array, dtype=little, order="C")
    return arrays


def _read(path: Any, file: Any, name: str) -> Array:
    try:
        array: Array = file.get_tensor(name)
    except (TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: {name} is of a type that NumPy does not have ({error})"
        ) from error
    if array.dtype.isbuiltin != 1:  # another package has taught NumPy the type
        raise ValueError(
            f"{path}: {name} is of a type that NumPy does not have ({array.dtype})"
        )
    return array


def _order(metadata: dict[str, str], names: list[str]) -> list[str]:
    """The order of saving, if the file tells it and of just these names."""
    try:
        order = json.loads(metadata[_ORDER_KEY])
    except (KeyError, ValueError, RecursionError):
        return names
    if not isinstance(order, list) or not all(isinstance(n, str) for n in order):
        return names
    return order if sorted(order) == sorted(names) else names
