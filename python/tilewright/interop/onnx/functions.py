"""Each function that is called outside of layers as ONNX's operators.

Functions that are a layer's own, such as ``functional.conv2d``, are written as that
layer is.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from tilewright import nn
from tilewright.interop.onnx.graph import TO_FIRST, TO_LAST, Graph, Placed, Shape
from tilewright.interop.onnx.operators import LAYERS
from tilewright.interop.trace import Constant

# Graph, operands, options, and shape of the result.
Writer = Callable[[Graph, list[Any], dict[str, Any], Shape], Placed]
_END = 2**63 - 1


def add_function(
    graph: Graph,
    function: Any,
    operands: list[Any],
    options: dict[str, Any],
    shape: Shape,
) -> Placed:
    """Add a function to a graph.

    Parameters
    ----------
    graph : Graph
    function : type of Function
    operands : list
        Of Placed, Constant, and what else it was called with.
    options : dict
    shape : tuple of int
        Of what it returns.

    Returns
    -------
    Placed

    Raises
    ------
    ValueError
        If it cannot be expressed.
    """
    name = function.__name__.lstrip("_")
    if not function.__module__.startswith("tilewright.") or name not in FUNCTIONS:
        raise ValueError(f"export: the function {name} has no counterpart in ONNX")
    return FUNCTIONS[name](graph, operands, options, shape)


def _aligned(graph: Graph, operands: list[Any], shape: Shape) -> tuple[list[str], bool]:
    """Names of operands that broadcast to a shape, and whether channels are first."""
    placed = [each for each in operands if isinstance(each, Placed)]
    first = (
        len(shape) in TO_FIRST
        and all(len(each.shape) == len(shape) for each in placed)
        and any(each.prefers_first for each in placed)
    )
    names = []
    for each in operands:
        if isinstance(each, Placed):
            names.append(graph.first(each) if first else graph.last(each))
            continue
        array = each.array
        if first and array.ndim:
            array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
            array = array.transpose(TO_FIRST[len(shape)])
        names.append(graph.weight(each.name, array))
    return names, first


def _broadcasting(operator: str) -> Writer:
    def put(graph: Graph, operands: list[Any], options: Any, shape: Shape) -> Placed:
        names, first = _aligned(graph, operands, shape)
        return graph.placed(graph.add(operator, names), first, shape)

    return put


def _extremum(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    operator = "Max" if options["ufunc"] is np.maximum else "Min"
    return _broadcasting(operator)(graph, operands, options, shape)


def _power_of(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    exponent = Constant(np.asarray(options["exponent"], np.float32))
    return _broadcasting("Pow")(graph, [*operands, exponent], {}, shape)


def _clip(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    names, first = _aligned(graph, operands, shape)
    for key in ("low", "high"):
        limit = options[key]
        known = limit is not None
        names.append(graph.weight("c", np.array(limit, "f4")) if known else "")
    return graph.placed(graph.add("Clip", names), first, shape)


def _same(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    """Nothing: all is float32 in the file, and nothing there is changed in place."""
    found: Placed = operands[0]
    return found


def _reshape(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    wanted = options["shape"]
    if len(wanted) == 2 and wanted[0] == -1 and shape[0] == operands[0].shape[0]:
        y = graph.add("Flatten", [graph.last(operands[0])], axis=1)
    else:
        y = graph.add("Reshape", [graph.last(operands[0]), graph.numbers(*wanted)])
    return Placed(shape, last=y)


def _permute(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    (x,), order = operands, tuple(options["order"])
    if order == TO_FIRST.get(len(shape)) and x.prefers_first:
        return Placed(shape, last=graph.first(x))
    if order == TO_LAST.get(len(shape)):
        return Placed(shape, first=graph.last(x))
    return Placed(shape, last=graph.add("Transpose", [graph.last(x)], perm=order))


def _broadcast_to(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    # An extent of 1 leaves the operand's, so that the batch may be of any size.
    wanted = graph.numbers(*[1 if size == -1 else size for size in options["shape"]])
    y = graph.add("Expand", [graph.last(operands[0]), wanted])
    return Placed(shape, last=y)


def _concatenate(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    axis = options["axis"] % len(shape)
    placed = [each for each in operands if isinstance(each, Placed)]
    if len(placed) < len(operands):
        return _pad(graph, operands, axis, shape)
    names, first = _aligned(graph, operands, shape)
    place = TO_FIRST[len(shape)].index(axis) if first else axis
    return graph.placed(graph.add("Concat", names, axis=place), first, shape)


def _pad(graph: Graph, operands: list[Any], axis: int, shape: Shape) -> Placed:
    """A value between constants of one number each."""
    values = [each for each in operands if isinstance(each, Placed)]
    fill = {v for c in operands if isinstance(c, Constant) for v in np.unique(c.array)}
    if len(values) != 1 or len(fill) != 1 or axis == 0:
        raise ValueError(
            "export: Concatenate with constants has no counterpart in ONNX, unless "
            "they are of one number and around one value"
        )
    position = operands.index(values[0])
    before, after = (
        sum(each.array.shape[axis] for each in part)
        for part in (operands[:position], operands[position + 1 :])
    )
    name, first = graph.one_of(values[0])
    place = TO_FIRST[len(shape)].index(axis) if first else axis
    pads = [0] * (2 * len(shape))
    pads[place], pads[len(shape) + place] = before, after
    number = graph.weight("c", np.array(fill.pop(), np.float32))
    y = graph.add("Pad", [name, graph.numbers(*pads), number])
    return graph.placed(y, first, shape)


def _stack(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    axis = options["axis"] % len(shape)
    names, _ = _aligned(graph, operands, ())
    pieces = [graph.add("Unsqueeze", [name, graph.numbers(axis)]) for name in names]
    return Placed(shape, last=graph.add("Concat", pieces, axis=axis))


def _reduce(operator: str) -> Writer:
    def put(
        graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
    ) -> Placed:
        (x,), axes, keep = operands, options["axis"], bool(options["keepdims"])
        pixels = set(axes) == set(range(1, len(x.shape) - 1))
        first = x.prefers_first and (keep or pixels)
        name = graph.first(x) if first else graph.last(x)
        order = TO_FIRST[len(x.shape)] if first else tuple(range(len(x.shape)))
        places = sorted(order.index(axis) for axis in axes)
        y = graph.add(operator, [name, graph.numbers(*places)], keepdims=int(keep))
        return graph.placed(y, first and keep, shape)

    return put


def _extreme(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    operator = "ReduceMax" if options["name"] == "max" else "ReduceMin"
    return _reduce(operator)(graph, operands, options, shape)


def _var(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    (x,), axes = operands, options["axis"]
    if 0 in axes:
        raise ValueError("export: var over the batch has no counterpart in ONNX")
    divisor = prod(x.shape[axis] for axis in axes) - options["correction"]
    name, places = graph.last(x), graph.numbers(*axes)
    mean = graph.add("ReduceMean", [name, places], keepdims=1)
    centred = graph.add("Sub", [name, mean])
    squares = graph.add("Mul", [centred, centred])
    total = graph.add("ReduceSum", [squares, places], keepdims=int(options["keepdims"]))
    share = graph.weight("c", np.array(1 / divisor if divisor > 0 else np.nan, "f4"))
    return Placed(shape, last=graph.add("Mul", [total, share]))


def _get_item(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    (x,), index = operands, options["index"]
    parts = _parts(index if isinstance(index, tuple) else (index,), len(x.shape))
    name = graph.last(x)
    sliced = [
        (axis, part)
        for axis, part in enumerate(part for part in parts if part is not None)
        if isinstance(part, slice) and part != slice(None)
    ]
    if sliced:
        bounds = [(axis, *_bounds(part)) for axis, part in sliced]
        axes, starts, ends, steps = zip(*bounds, strict=True)
        numbers = [graph.numbers(*each) for each in (starts, ends, axes, steps)]
        name = graph.add("Slice", [name, *numbers])
    taken = [
        (axis, part)
        for axis, part in enumerate(part for part in parts if part is not None)
        if not isinstance(part, slice)
    ]
    if sum(isinstance(part, np.ndarray) for _, part in taken) and len(taken) > 1:
        raise ValueError("export: an index of several arrays has none in ONNX")
    for axis, part in reversed(taken):
        where = graph.weight("index", np.asarray(part, np.int64))
        name = graph.add("Gather", [name, where], axis=axis)
    kept = [part for part in parts if part is None or isinstance(part, slice)]
    new = [place for place, part in enumerate(kept) if part is None]
    if new:
        name = graph.add("Unsqueeze", [name, graph.numbers(*new)])
    return Placed(shape, last=name)


def _parts(index: tuple[Any, ...], ndim: int) -> list[Any]:
    """An index with as many parts as there are axes, besides those that are None."""
    for part in index:
        if isinstance(part, np.ndarray) and part.dtype.kind not in "iu":
            raise ValueError("export: an index by condition has none in ONNX")
        if isinstance(part, np.ndarray) and None in [
            each for each in index if not isinstance(each, np.ndarray)
        ]:
            raise ValueError("export: an index of arrays and None has none in ONNX")
    given = sum(part is not None and part is not Ellipsis for part in index)
    full: list[Any] = [slice(None)] * (ndim - given)
    place = next((i for i, part in enumerate(index) if part is Ellipsis), len(index))
    return [*index[:place], *full, *index[place + 1 :]]


def _bounds(part: slice) -> tuple[int, int, int]:
    step = 1 if part.step is None else part.step
    low, high = (0, _END) if step > 0 else (_END, -_END)
    start = low if part.start is None else part.start
    return start, high if part.stop is None else part.stop, step


# Functions that layers have.

_ACTIVATIONS: dict[str, tuple[type[nn.Module], str]] = {
    "elu": (nn.ELU, "alpha"),
    "gelu": (nn.GELU, ""),
    "hardsigmoid": (nn.Hardsigmoid, ""),
    "leaky_relu": (nn.LeakyReLU, "negative_slope"),
    "relu": (nn.ReLU, ""),
    "relu6": (nn.ReLU6, ""),
    "selu": (nn.SELU, ""),
    "sigmoid": (nn.Sigmoid, ""),
    "silu": (nn.SiLU, ""),
    "softplus": (nn.Softplus, ""),
    "softsign": (nn.Softsign, ""),
    "tanh": (nn.Tanh, ""),
}


def _as_layer(
    kind: type[nn.Module],
    graph: Graph,
    x: Placed,
    shape: Shape,
    prefix: str = "",
    **attributes: Any,
) -> Placed:
    """Write what a layer with these attributes would be."""
    return LAYERS[kind](graph, prefix, SimpleNamespace(**attributes), x, shape)


def _activation(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    kind, name = _ACTIVATIONS[options["kind"]]
    number = options.get("number", options.get("negative_slope", 0.01))
    attributes = {name: number} if name else {}
    return _as_layer(kind, graph, operands[0], shape, **attributes)


def _over_axis(kind: type[nn.Module]) -> Writer:
    def put(
        graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
    ) -> Placed:
        return _as_layer(kind, graph, operands[0], shape, axis=options["axis"])

    return put


def _weighted(kind: type[nn.Module]) -> Writer:
    """A function of x, a weight and a bias."""

    def put(
        graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
    ) -> Placed:
        x, weight, bias = operands
        if not isinstance(weight, Constant) or isinstance(bias, Placed):
            raise ValueError(
                f"export: {kind.__name__} with weights that depend on the inputs has "
                "no counterpart in ONNX"
            )
        y = _as_layer(
            kind,
            graph,
            x,
            shape,
            _prefix(weight.name),
            weight=SimpleNamespace(data=weight.array),
            bias=None if bias is None else SimpleNamespace(data=bias.array),
            **{key: options[key] for key in options if key != "activation"},
        )
        return _activated(graph, y, options, shape)

    return put


def _activated(
    graph: Graph, y: Placed, options: dict[str, Any], shape: Shape
) -> Placed:
    """What the function did in the same pass."""
    kind = options.get("activation", "none")
    return y if kind == "none" else _activation(graph, [y], {"kind": kind}, shape)


def _prefix(name: str) -> str:
    return name.removesuffix("weight") if name.endswith("weight") else name


def _batch_norm(
    graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
) -> Placed:
    x, weight, bias = operands
    mean, variance = options.get("running") or (None, None)
    if options.get("training") or mean is None:
        raise ValueError(
            "export: batch_norm of the batch's own values has none in ONNX"
        )
    y = _as_layer(
        nn.BatchNorm2d,
        graph,
        x,
        shape,
        "" if weight is None else _prefix(weight.name),
        num_features=shape[-1],
        weight=None if weight is None else SimpleNamespace(data=weight.array),
        bias=None if bias is None else SimpleNamespace(data=bias.array),
        running_mean=mean,
        running_var=variance,
        eps=options["eps"],
    )
    return _activated(graph, y, options, shape)


def _pool2d(kind: type[nn.Module]) -> Writer:
    def put(
        graph: Graph, operands: list[Any], options: dict[str, Any], shape: Shape
    ) -> Placed:
        window, stride = options["window"], options["stride"]
        return _as_layer(
            kind,
            graph,
            operands[0],
            shape,
            kernel_size=window,
            stride=window if stride is None else stride,
            padding=options["padding"],
            count_include_pad=options.get("count_include_pad"),
        )

    return put


def _global_pool2d(kind: type[nn.Module]) -> Writer:
    def put(graph: Graph, operands: list[Any], options: Any, shape: Shape) -> Placed:
        return _as_layer(kind, graph, operands[0], shape)

    return put


FUNCTIONS: dict[str, Writer] = {
    "Absolute": _broadcasting("Abs"),
    "Activation": _activation,
    "Add": _broadcasting("Add"),
    "AvgPool2d": _pool2d(nn.AvgPool2d),
    "BatchNorm": _batch_norm,
    "BroadcastTo": _broadcast_to,
    "Cast": _same,
    "Clip": _clip,
    "Clone": _same,
    "ComposedActivation": _activation,
    "Concatenate": _concatenate,
    "Conv2d": _weighted(nn.Conv2d),
    "Divide": _broadcasting("Div"),
    "Exp": _broadcasting("Exp"),
    "Extreme": _extreme,
    "Extremum": _extremum,
    "GetItem": _get_item,
    "GlobalAvgPool2d": _global_pool2d(nn.GlobalAvgPool2d),
    "GlobalMaxPool2d": _global_pool2d(nn.GlobalMaxPool2d),
    "Linear": _weighted(nn.Linear),
    "Log": _broadcasting("Log"),
    "LogSoftmax": _over_axis(nn.LogSoftmax),
    "MatMul": lambda graph, operands, options, shape: Placed(
        shape, last=graph.add("MatMul", _aligned(graph, operands, ())[0])
    ),
    "MaxPool2d": _pool2d(nn.MaxPool2d),
    "Mean": _reduce("ReduceMean"),
    "Multiply": _broadcasting("Mul"),
    "Negative": _broadcasting("Neg"),
    "Permute": _permute,
    "Power": _broadcasting("Pow"),
    "PowerOf": _power_of,
    "Reshape": _reshape,
    "Softmax": _over_axis(nn.Softmax),
    "Sqrt": _broadcasting("Sqrt"),
    "Stack": _stack,
    "Subtract": _broadcasting("Sub"),
    "Sum": _reduce("ReduceSum"),
    "Var": _var,
}
