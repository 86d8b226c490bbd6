"""Which layers see images that were flattened, whose features others order otherwise.

An image of ``(H, W, C)`` becomes features pixel by pixel here; where channels come
first, as in PyTorch, channel by channel. What a layer keeps for each feature has to be
put in that order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.interop.row import layers
from tilewright.interop.trace import Constant, Step, Value, sample_shapes, trace

Array = NDArray[Any]
# Behind these no feature belongs to a pixel any more.
_MIXERS = (nn.Linear, nn.GlobalAvgPool2d, nn.GlobalMaxPool2d)


def flattened_orders(
    caller: str, model: nn.Module, input_shape: Any
) -> dict[str, Array]:
    """The order of the features of each layer that sees flattened images.

    Parameters
    ----------
    caller : str
        Named in errors.
    model : Module
    input_shape : sequence of int, or a sequence of them, or None
        Of one sample of each input. None will do for layers in a row, whose inputs are
        then taken for rows of features up to the first convolution, and for a model
        without convolutions.

    Returns
    -------
    dict of str to ndarray
        By the layers' names: the channels-first feature ``i`` is ours ``order[i]``.

    Raises
    ------
    TypeError
        If it is no Module.
    ValueError
        If the shape is needed, or the model does not take inputs of that shape; or a
        layer is used for features of different orders.

    Examples
    --------
    >>> from tilewright import nn
    >>> from tilewright.interop.flattening import flattened_orders
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(6, 1))
    >>> flattened_orders("example", model, None)["2"].tolist()
    [0, 2, 4, 1, 3, 5]
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"{caller}: model must be a Module, got {type(model).__name__}")
    if input_shape is not None:
        return _traced(caller, model, sample_shapes(caller, input_shape))
    if _is_row(model):
        return _of_row(caller, model)
    if not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        return {}
    raise ValueError(
        f"{caller}: {type(model).__name__} does not say in which order its layers run; "
        "give input_shape, the shape of one sample, and it is run to see"
    )


def channels_first(pixels: int, channels: int) -> Array:
    """The order of the features of images with so many pixels and channels.

    Examples
    --------
    >>> from tilewright.interop.flattening import channels_first
    >>> channels_first(2, 3).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    return np.arange(pixels * channels).reshape(pixels, channels).T.reshape(-1)


def _is_row(model: nn.Module) -> bool:
    """Whether it is a Sequential of our layers, or one such layer."""
    try:
        layers("", model)
    except ValueError:
        return False
    return True


def _of_row(caller: str, model: nn.Module) -> dict[str, Array]:
    found = {}
    channels = 0  # of the images in front of the layer, or of those flattened
    flat = False
    for name, layer in layers(caller, model):
        if flat and channels > 1:
            size = _features(layer)
            if size and size % channels == 0:
                found[name] = channels_first(size // channels, channels)
        if isinstance(layer, nn.Conv2d):
            channels, flat = layer.out_channels, False
        elif isinstance(layer, _MIXERS):
            channels, flat = 0, False
        elif isinstance(layer, nn.Flatten) and channels:
            if (layer.start_axis, layer.end_axis) not in ((1, -1), (1, 3)):
                raise ValueError(
                    f"{caller}: Flatten of other axes than 1 to 3 puts images in an "
                    "order that PyTorch's does not have"
                )
            flat = True
    return found


def _features(layer: nn.Module) -> int:
    """Number of features that a layer has arrays for; 0 where it has none."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    return layer.num_features if isinstance(layer, nn.BatchNorm1d) else 0


def _traced(
    caller: str, model: nn.Module, shapes: list[tuple[int, ...]]
) -> dict[str, Array]:
    known = dict(model.named_modules())
    orders: dict[int, Array] = {}  # of values
    found: dict[str, Array | None] = {}
    for step in trace(caller, model, shapes).steps:
        values = [each for each in step.operands if isinstance(each, Value)]
        given = [orders.get(id(each)) for each in values]
        name = _owner(step)
        if name is not None and _features(known[name]):
            if name in found and not _same(found[name], given[0]):
                raise ValueError(
                    f"{caller}: {name} is used for features of images that were "
                    "flattened and for others, which no order of its weights allows"
                )
            found[name] = given[0]
            mixes = isinstance(known[name], nn.Linear)
            order = None if mixes else given[0]
        else:
            order = _behind(caller, step, values, given)
        if order is not None:
            orders[id(step.result)] = order
    return {name: order for name, order in found.items() if order is not None}


def _owner(step: Step) -> str | None:
    """The layer that is called, or whose weight a function is called with."""
    if isinstance(step.action, nn.Module):
        return step.name
    if step.kind not in ("Linear", "BatchNorm"):
        return None
    weight = step.operands[1]
    named = isinstance(weight, Constant) and weight.name
    return weight.name.rpartition(".")[0] if named else None


def _same(a: Array | None, b: Array | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _behind(
    caller: str, step: Step, values: list[Value], given: list[Array | None]
) -> Array | None:
    """The order of the features that a step makes; None for that of others."""
    shape, before = step.result.shape, values[0].shape
    if step.kind in ("Flatten", "Reshape") and len(before) == 4 and len(shape) == 2:
        pixels, channels = before[1] * before[2], before[3]
        if shape[1] == pixels * channels and 1 not in (pixels, channels):
            return channels_first(pixels, channels)
    known = [order for order in given if order is not None]
    if not known:
        return None
    constants = [x.array for x in step.operands if isinstance(x, Constant)]
    ordered = any(array.shape[-1:] not in ((), (1,)) for array in constants)
    if step.kind == "Concatenate" and step.options["axis"] == 1 and not constants:
        return _joined(values, given)
    alike = all(_same(each, known[0]) for each in given)
    if shape != before or ordered or not alike or step.kind == "GetItem":
        raise ValueError(
            f"{caller}: {step.kind} does something with the features of flattened "
            "images that depends on their order, which is another in PyTorch"
        )
    return known[0]


def _joined(values: list[Value], given: list[Array | None]) -> Array:
    """The order of features put one behind the other."""
    found, start = [], 0
    for value, order in zip(values, given, strict=True):
        size = value.shape[1]
        found.append((np.arange(size) if order is None else order) + start)
        start += size
    return np.concatenate(found)
