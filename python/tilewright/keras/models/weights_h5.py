"""Weights in Keras's own ``.weights.h5`` files, of models of any form.

A layer's arrays lie in ``layers/conv2d_1/vars/0``: a group is named by the kind of the
layer and its number among those in the order of ``model.layers``; a model that is a
layer has groups of its own in its group.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilewright.atomic import write_atomic
from tilewright.extras import require
from tilewright.interop.keras import check_links
from tilewright.keras.layers.layer import Layer
from tilewright.keras.naming import snake_case
from tilewright.kernels.devices import to_host

if TYPE_CHECKING:
    from tilewright.keras.models.model import Model

Array = NDArray[Any]


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write weights that Keras's ``load_weights`` reads; see `Model.save_weights`."""
    h5py = require("h5py", extra="keras-weights")
    model.network  # noqa: B018 - says so where it has no weights yet
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for place, layer in _places(model):
            variables = file.create_group(f"{place}/vars")
            for number, weight in enumerate(layer.weights):
                variables.create_dataset(str(number), data=to_host(weight))
    write_atomic(Path(path), buffer.getvalue())


def load(model: Model, path: str | os.PathLike[str]) -> None:
    """Take over all weights of such a file, or none; see `Model.load_weights`."""
    h5py = require("h5py", extra="keras-weights")
    model.network  # noqa: B018 - says so where it has no weights yet
    if not Path(path).is_file():
        raise FileNotFoundError(f"load_weights: no such file: {path}")
    try:
        with h5py.File(path, "r") as file:
            check_links(h5py, file)
            found = _read(str(path), file, model)
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"load_weights: {path}: damaged, or no weights of Keras ({error})"
        ) from error
    for layer, weights in found:
        layer.set_weights(weights)


def _read(path: str, file: Any, model: Model) -> list[tuple[Layer, list[Array]]]:
    found = []
    known = set()
    for place, layer in _places(model):
        expected = [weight.shape for weight in layer.weights]
        known.add(f"/{place}")
        variables = file.get(f"{place}/vars", {})
        shapes = [variables[key].shape for key in sorted(variables, key=int)]
        if shapes != expected:
            raise ValueError(
                f"load_weights: {path}: {place} has arrays of shapes {shapes}, the "
                f"model's layer {layer.name} {expected}; nothing was loaded"
            )
        count = range(len(expected))
        found.append((layer, [np.asarray(variables[str(key)]) for key in count]))
    more = [place for place in _filled(file["layers"]) if place not in known]
    if more:
        raise ValueError(
            f"load_weights: {path}: has layers that the model has not: "
            + ", ".join(more)
        )
    return found


def _places(model: Model, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers with weights, and where their arrays are."""
    from tilewright.keras.models.model import Model
    from tilewright.keras.models.sequential import Sequential

    numbers: dict[str, int] = {}
    for layer in model.layers:
        kind = snake_case(type(layer).__name__)
        if isinstance(layer, Model):
            kind = "sequential" if isinstance(layer, Sequential) else "functional"
        number = numbers.get(kind, 0)
        numbers[kind] = number + 1
        place = f"{prefix}layers/{kind}" + (f"_{number}" if number else "")
        if isinstance(layer, Model):
            yield from _places(layer, f"{place}/")
        elif layer.weights:
            yield place, layer


def _filled(group: Any) -> Iterator[str]:
    """Names of the groups below that hold arrays of a layer."""
    for own in group.values():
        # The state of random numbers, which layers such as Dropout keep, is not read.
        if len(own.get("vars", ())):
            yield own.name
        if "layers" in own:
            yield from _filled(own["layers"])
