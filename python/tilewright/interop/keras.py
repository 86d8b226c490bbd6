"""Weights in Keras's ``.weights.h5`` files, both ways.

Layouts agree: images, convolutions and dense layers are laid out as in Keras with
channels last, so that nothing is transposed. A file has a group for each layer, named
by the kind of layer and its number among those: ``layers/conv2d_1/vars/0``.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.atomic import write_atomic
from tilewright.extras import require
from tilewright.interop.row import layers

Array = NDArray[Any]
_SUFFIX = ".weights.h5"


def save_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write weights for the same ``Sequential`` in Keras.

    There ``model.load_weights(path)`` reads them. A convolution with a group for each
    channel is a ``DepthwiseConv2D`` there.

    Parameters
    ----------
    model : Module
        A Sequential. Layers that have no weights, such as activations, need not be
        layers of the model in Keras.
    path : path
        Ends in ``.weights.h5``; replaced whole or not at all.

    Raises
    ------
    TypeError
        If it is no Module.
    ValueError
        If the path has another ending, the order of the layers cannot be known, or a
        layer has no counterpart in Keras.
    ImportError
        If h5py is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from tilewright import interop, nn
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "small.weights.h5")
    ...     interop.keras.save_weights(model, path)
    ...     interop.keras.load_weights(model, path)
    """
    h5py = require("h5py", extra="keras-weights")
    if not str(path).endswith(_SUFFIX):
        raise ValueError(f"save_weights: path must end in {_SUFFIX}, got {path}")
    layers("save_weights", model)
    if not isinstance(model, nn.Sequential):
        model = nn.Sequential(model)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _write(file, model)
    write_atomic(Path(path), buffer.getvalue())


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Take over the weights of the same ``Sequential`` in Keras.

    Parameters
    ----------
    model : Module
        A Sequential; nested ones stand for Keras's nested ones.
    path : path
        What ``model.save_weights`` of Keras 3 wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged or of another network: all is loaded, or nothing.
    TypeError
        If it is no Module.
    ImportError
        If h5py is not installed.
    """
    h5py = require("h5py", extra="keras-weights")
    layers("load_weights", model)
    row = model if isinstance(model, nn.Sequential) else nn.Sequential(model)
    if not Path(path).is_file():
        raise FileNotFoundError(f"load_weights: no such file: {path}")
    try:
        with h5py.File(path, "r") as file:
            check_links(h5py, file)
            new = _read(str(path), file, row, "")
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"load_weights: {path}: damaged, or no weights of Keras ({error})"
        ) from error
    row.load_state_dict(new)


def _kind(layer: nn.Module) -> str | None:
    """Keras's name of a kind of layer with weights; None for others."""
    if isinstance(layer, nn.Sequential):
        return "sequential"
    if isinstance(layer, nn.Conv2d):
        depthwise = 1 < layer.groups == layer.in_channels
        return "depthwise_conv2d" if depthwise else "conv2d"
    if isinstance(layer, nn.Linear):
        return "dense"
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return "batch_normalization"
    if layer.state_dict():
        raise ValueError(f"Keras weights: {type(layer).__name__} has no counterpart")
    return None


def _names(layer: nn.Module) -> list[str]:
    """Names of a layer's arrays in the order of Keras's variables."""
    order = ("weight", "bias", "running_mean", "running_var")
    state = layer.state_dict()
    return [name for name in order if name in state]


def _write(group: Any, model: nn.Module) -> None:
    """Write the groups of a Sequential's layers."""
    inner = group.create_group("layers")
    numbers: dict[str, int] = {}
    for _, layer in model.named_children():
        kind = _kind(layer)
        if kind is None:
            continue
        number = numbers.get(kind, 0)
        numbers[kind] = number + 1
        own = inner.create_group(f"{kind}_{number}" if number else kind)
        variables = own.create_group("vars")
        if isinstance(layer, nn.Sequential):
            _write(own, layer)
            continue
        state = layer.state_dict()
        for index, name in enumerate(_names(layer)):
            array = state[name]
            if isinstance(layer, nn.Conv2d) and kind != "conv2d" and name == "weight":
                array = array.reshape(*array.shape[:2], layer.in_channels, -1)
            variables.create_dataset(str(index), data=array)


def _read(path: str, group: Any, model: nn.Module, prefix: str) -> dict[str, Array]:
    """The state dict of a Sequential, from the groups of its layers."""
    groups: dict[str, list[Any]] = {}
    inner = group["layers"]
    for name in sorted(inner, key=_number):
        stem = re.sub(r"_\d+$", "", name)
        if "layers" in inner[name] or len(inner[name].get("vars", ())):
            groups.setdefault(stem, []).append(inner[name])
    found: dict[str, Array] = {}
    for key, layer in model.named_children():
        kind = _kind(layer)
        if kind is None or (kind == "sequential" and not layer.state_dict()):
            continue
        if kind == "depthwise_conv2d" and not groups.get(kind):
            kind = "conv2d"  # one with groups is such a layer too
        if not groups.get(kind):
            raise ValueError(
                f"load_weights: {path}: has fewer {kind} layers than the model; "
                f"there is none for {prefix}{key}"
            )
        own = groups[kind].pop(0)
        if isinstance(layer, nn.Sequential):
            found.update(_read(path, own, layer, f"{prefix}{key}."))
        else:
            found.update(_variables(path, own, layer, f"{prefix}{key}."))
    left = [own.name for owns in groups.values() for own in owns]
    if left:
        raise ValueError(
            f"load_weights: {path}: has layers that the model has not: "
            + ", ".join(left)
        )
    return found


def _variables(path: str, own: Any, layer: nn.Module, prefix: str) -> dict[str, Array]:
    """Arrays of one layer, in the shapes that it has."""
    names, state = _names(layer), layer.state_dict()
    variables = own["vars"]
    if len(variables) != len(names):
        raise ValueError(
            f"load_weights: {path}: {own.name} has {len(variables)} arrays, but "
            f"{prefix.rstrip('.')} has {', '.join(names)}"
        )
    found = {}
    for index, name in enumerate(names):
        dataset, shape = variables[str(index)], state[name].shape
        if dataset.size != state[name].size:  # before it is read: it may be huge
            raise ValueError(
                f"load_weights: {path}: {prefix}{name} must have shape {shape}, got "
                f"{dataset.shape}; nothing was loaded"
            )
        array = np.asarray(dataset)
        depthwise = isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels
        if depthwise and array.ndim == 4 and array.shape[:2] == shape[:2]:
            # (R, S, C, D) to (R, S, 1, C * D): the same elements in the same order.
            array = array.reshape(*shape[:2], 1, -1)
        found[prefix + name] = array
    for name in state:  # what Keras does not keep stays
        found.setdefault(prefix + name, state[name])
    return found


def check_links(h5py: Any, group: Any) -> None:
    """Refuse groups and arrays that lie in other files: the path is not ours."""
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise OSError(f"{group.name}: {name} is a link to elsewhere")
        if isinstance(group[name], h5py.Group):
            check_links(h5py, group[name])
        elif group[name].external is not None or group[name].is_virtual:
            raise OSError(f"{group.name}: {name} is kept in another file")


def _number(name: str) -> int:
    """Number in the name of a group: conv2d_10 comes after conv2d_9."""
    match = re.search(r"_(\d+)$", name)
    return int(match[1]) if match else 0
