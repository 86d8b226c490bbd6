"""Each operator of ONNX as a layer, where it is one of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.interop.flattening import channels_first
from tilewright.interop.onnx import read_functions as functions
from tilewright.interop.onnx.graph import TO_FIRST, TO_LAST
from tilewright.interop.onnx.nodes import Node, UnsupportedError
from tilewright.interop.onnx.state import Read, State

Array = NDArray[Any]
Reader = Callable[[State, Node], None]


def _conv(state: State, node: Node) -> None:
    x, weight = state.images(node), node.need(1)
    if weight.ndim != 4:
        raise UnsupportedError(f"{node}: only two-dimensional convolutions are known")
    K, group_channels, R, S = weight.shape
    groups = int(node.options.get("group", 1))
    stride = tuple(node.options.get("strides", (1, 1)))
    dilation = tuple(node.options.get("dilations", (1, 1)))
    extents = ((R - 1) * dilation[0] + 1, (S - 1) * dilation[1] + 1)
    bias = node.constant(2)
    padding = _conv_padding(x, node, extents, stride)
    if len(padding) == 4 and not isinstance(padding, str):
        x, padding = _framed(state, x, padding, 0.0), (0, 0)
    layer = nn.Conv2d(
        group_channels * groups,
        K,
        (R, S),
        stride,
        padding,
        dilation,
        groups,
        bias is not None,
    )
    weight = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    _add(state, node, x, layer, weight=weight, bias=bias)


def _add(
    state: State, node: Node, x: Read, layer: nn.Module, **arrays: Array | None
) -> None:
    """Put a layer with these weights behind a value."""
    weights = layer.state_dict()
    for name, array in arrays.items():
        if array is not None:
            weights[name] = np.asarray(array)
    layer.load_state_dict(weights)
    state.add(layer, node, x)


def _conv_padding(
    x: Read, node: Node, extents: tuple[int, int], stride: tuple[int, ...]
) -> tuple[int, int] | str | tuple[int, int, int, int]:
    """Padding of a convolution: a pair, or TensorFlow's; four where no layer has it."""
    if node.options.get("auto_pad") == b"SAME_UPPER":
        return "same"
    pads = _pads(x, node, extents, stride)
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return top, left
    known = len(x.extents) > 1 and None not in x.extents[:2]
    return "same" if known and pads == _same(x, node, extents, stride) else pads


def _pads(
    x: Read, node: Node, extents: tuple[int, int], stride: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Padding of a window at the top, on the left, at the bottom, on the right."""
    automatic = node.options.get("auto_pad", b"NOTSET")
    if automatic == b"NOTSET":
        top, left, bottom, right = node.options.get("pads", (0, 0, 0, 0))
        return top, left, bottom, right
    if automatic == b"VALID":
        return 0, 0, 0, 0
    top, left, bottom, right = _same(x, node, extents, stride)
    if automatic == b"SAME_LOWER":
        return bottom, right, top, left
    return top, left, bottom, right


def _same(
    x: Read, node: Node, extents: tuple[int, int], stride: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """TensorFlow's padding: ``ceil(size / stride)`` outputs, an odd row at the end."""
    totals = []
    for axis in range(2):
        size = x.extents[axis] if len(x.extents) > axis else None
        if size is None:
            raise UnsupportedError(f"{node}: the extents of its input are unknown")
        last = (-(-size // stride[axis]) - 1) * stride[axis]
        totals.append(max(last + extents[axis] - size, 0))
    rows, columns = totals
    return rows // 2, columns // 2, rows - rows // 2, columns - columns // 2


def _framed(
    state: State, x: Read, around: tuple[int, int, int, int], value: float
) -> Read:
    """Images with so many rows and columns of one value around them."""
    top, left, bottom, right = around
    shape = x.shape
    if shape is not None:
        grown = (top + bottom, left + right)
        extents = zip(shape[2:], grown, strict=True)
        shape = (*shape[:2], *(None if n is None else n + m for n, m in extents))
    pads = [(0, 0), (top, bottom), (left, right), (0, 0)]
    return replace(state.apply("pad", [x], shape, pads=pads, value=value), first=True)


def _window(
    x: Read, node: Node
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Window, stride and padding of a pooling, whose outputs are rounded down."""
    node.only(storage_order=0)
    if set(node.options.get("dilations", (1,))) != {1}:
        raise UnsupportedError(f"{node}: dilated windows have no counterpart here")
    rows, columns = node.options["kernel_shape"]
    down, right = node.options.get("strides", (1, 1))
    window, stride = (rows, columns), (down, right)
    pads = _pads(x, node, window, stride)
    if node.options.get("ceil_mode", 0):
        for axis in range(2):
            size = x.extents[axis] if len(x.extents) > axis else None
            whole = None if size is None else size + pads[axis] + pads[axis + 2]
            if whole is None or (whole - window[axis]) % stride[axis]:
                # There would be more outputs, or could be.
                node.only(ceil_mode=0)
    return window, stride, pads


def _max_pool(state: State, node: Node) -> None:
    x = state.images(node)
    window, stride, pads = _window(x, node)
    padding = pads[:2]
    if padding != pads[2:]:
        x, padding = _framed(state, x, pads, -np.inf), (0, 0)
    state.add(nn.MaxPool2d(window, stride, padding), node, x)


def _average_pool(state: State, node: Node) -> None:
    x = state.images(node)
    window, stride, pads = _window(x, node)
    padding, count = pads[:2], bool(node.options.get("count_include_pad", 0))
    if padding != pads[2:]:
        if not count:
            raise UnsupportedError(f"{node}: pads differ from side to side")
        x, padding = _framed(state, x, pads, 0.0), (0, 0)
    state.add(nn.AvgPool2d(window, stride, padding, count), node, x)


def _global_pool(layer: Callable[[], nn.Module]) -> Reader:
    def read(state: State, node: Node) -> None:
        x = state.images(node)
        state.add(layer(), node, replace(x, first=False, pooled=True))

    return read


def _gemm(state: State, node: Node) -> None:
    node.only(alpha=1.0, beta=1.0, transA=0)
    weight = node.need(1)
    if node.options.get("transB"):
        weight = weight.T
    _linear(state, node, node, state.value(node), weight, node.constant(2))


def _matmul(state: State, node: Node) -> None:
    if node.constants[1] is None or node.constants[1].ndim != 2:
        functions.matmul(state, node)
        return
    x, weight = state.value(node), node.need(1)
    following = state.file.follower(node, "Add")
    if following is not None:
        others = [array for array in following.constants if array is not None]
        if others and others[0].size in (1, weight.shape[1]):
            state.done(following)
            _linear(state, node, following, x, weight, others[0])
            return
    _linear(state, node, node, x, weight, None)


def _linear(
    state: State, node: Node, last: Node, x: Read, weight: Array, bias: Array | None
) -> None:
    """A linear layer for a node, and for the one behind it that adds the bias."""
    if x.first or x.pooled:
        x = state.plain(x)
    size = weight.shape[1]
    if bias is not None:
        if bias.size not in (1, size):
            raise UnsupportedError(f"{last}: the bias must have {size} elements")
        bias = np.broadcast_to(bias.reshape(-1), (size,))
    layer = nn.Linear(len(weight), size, bias is not None)
    weight = _rows(x, np.ascontiguousarray(weight), node)
    _add(state, last, replace(x, order=None), layer, weight=weight, bias=bias)


def _rows(x: Read, array: Array, node: Node) -> Array:
    """An array whose first axis is of a value's features, in the order they have."""
    if x.order is None:
        return array
    if len(array) != len(x.order):
        raise UnsupportedError(
            f"{node}: expected {len(x.order)} features, got {len(array)}"
        )
    ours = np.empty_like(array)
    ours[x.order] = array
    return ours


def _batch_norm(state: State, node: Node) -> None:
    node.only(training_mode=0)
    x = state.value(node)
    weight, bias, mean, variance = (
        _rows(x, node.need(position), node) for position in range(1, 5)
    )
    size = len(weight)
    eps = float(node.options.get("epsilon", 1e-5))
    # ONNX says how much of the old value stays, here it is how much goes.
    momentum = 1 - float(node.options.get("momentum", 0.9))
    layer: nn.Module
    if x.rank == 4 and not x.pooled:
        x = state.images(node)
        layer = nn.BatchNorm2d(size, eps, momentum)
    else:
        if x.rank == 3 and not x.first:
            raise UnsupportedError(f"{node}: expected sequences with channels first")
        layer = nn.BatchNorm1d(size, eps, momentum)
    weights = {"weight": weight, "bias": bias}
    _add(state, node, x, layer, **weights, running_mean=mean, running_var=variance)


def _flatten(state: State, node: Node) -> None:
    node.only(axis=1)
    _joined(state, node)


def _joined(state: State, node: Node) -> None:
    """Join all axes but the batch's, or leave out extents of 1."""
    x = state.value(node)
    if x.pooled:
        state.name(node, replace(x, pooled=False, shape=node.shape))
        return
    if x.rank == 2:
        state.name(node, replace(x, shape=node.shape))
        return
    order = None
    if x.first:
        *extents, channels = x.extents or (None,)
        if channels is None or None in extents:
            raise UnsupportedError(f"{node}: the extents of its input are unknown")
        pixels = int(np.prod([size or 0 for size in extents]))
        if 1 not in (pixels, channels):
            order = channels_first(pixels, channels)
    state.add(nn.Flatten(), node, replace(x, first=False, order=order))


def _reshape(state: State, node: Node) -> None:
    wanted, x = node.need(1).tolist(), state.value(node)
    if x.rank is None:
        raise UnsupportedError(f"{node}: the rank of its input is unknown")
    if len(wanted) == 2 and (wanted[0] in (0, -1) or wanted[1] == -1):
        size = None if node.shape is None else node.shape[1]
        inner = [each for each in (x.shape or ())[1:] if each is not None]
        whole = len(inner) == x.rank - 1 and np.prod(inner) in (size, wanted[1])
        if wanted[0] == 0 or wanted[1] == -1 or whole or x.rank == 2:
            _joined(state, node)
            return
    start = wanted.index(-1) if wanted.count(-1) == 1 else 0
    end = start + x.rank - len(wanted)
    # Extents of all axes; the batch's is any.
    extents = (None, *x.extents)
    kept = [*range(start), *range(end + 1, x.rank)]
    named = [size for size in wanted if size != -1]
    some = not (x.first or x.pooled) and start > 0 and end > start
    if some and all(
        size in (0, extents[axis]) for size, axis in zip(named, kept, strict=True)
    ):
        state.add(nn.Flatten(start, end - x.rank), node, x)
        return
    functions.reshape(state, node, wanted)


def _squeeze(state: State, node: Node) -> None:
    x, axes = state.value(node), node.numbers(1, "axes")
    if x.pooled and axes in (None, [2, 3], [-2, -1], [3, 2]):
        _joined(state, node)
        return
    functions.squeeze(state, node, axes)


def _dropout(state: State, node: Node) -> None:
    ratio = node.constant(1)
    layer = nn.Dropout(0.5 if ratio is None else float(ratio))
    state.add(layer, node, state.value(node))


def _pass(state: State, node: Node) -> None:
    state.name(node, state.value(node))


def _transpose(state: State, node: Node) -> None:
    """A change between the two layouts is one of how a value lies, not a step."""
    x = state.value(node)
    order = tuple(node.options.get("perm", range(x.rank or 0)[::-1]))
    rank = len(order)
    if order == tuple(range(rank)):
        state.name(node, x)
        return
    if not x.pooled and x.order is None:
        if order == TO_FIRST.get(rank) and not x.first:
            state.name(node, replace(x, first=True, shape=node.shape))
            return
        if order == TO_LAST.get(rank) and x.first:
            state.name(node, replace(x, first=False, shape=node.shape))
            return
    state.name(node, state.apply("permute", [state.plain(x)], node.shape, order=order))


def _over_axis(layer: Callable[[int], nn.Module]) -> Reader:
    def read(state: State, node: Node) -> None:
        axis, x = int(node.options.get("axis", -1)), state.value(node)
        if x.pooled or x.order is not None:
            x = state.plain(x)
        if x.rank is None:
            raise UnsupportedError(f"{node}: the rank of its input is unknown")
        axis %= x.rank
        if x.first and axis:
            axis = x.rank - 1 if axis == 1 else axis - 1
        state.add(layer(axis - x.rank), node, x)

    return read


def _elementwise(layer: Callable[[dict[str, Any]], nn.Module]) -> Reader:
    def read(state: State, node: Node) -> None:
        state.add(layer(node.options), node, state.value(node))

    return read


def _sigmoid(state: State, node: Node) -> None:
    """A Sigmoid, or SiLU with the product behind it."""
    x, following = state.value(node), state.file.follower(node, "Mul")
    if following is None or set(following.inputs) != {node.inputs[0], node.outputs[0]}:
        state.add(nn.Sigmoid(), node, x)
        return
    state.done(following)
    state.add(nn.SiLU(), following, x)


def _clip(state: State, node: Node) -> None:
    low, high = (
        None if limit is None else float(limit)
        for limit in (node.constant(1), node.constant(2))
    )
    x = state.value(node)
    if (low, high) == (0, None):
        state.add(nn.ReLU(), node, x)
    elif (low, high) == (0, 6):
        state.add(nn.ReLU6(), node, x)
    elif low is None and high is None:
        state.name(node, x)
    else:
        y = state.apply("clip", [x], node.shape, low=low, high=high)
        state.name(node, replace(x, place=y.place, shape=node.shape))


def _gelu(state: State, node: Node) -> None:
    node.only(approximate=b"none")
    state.add(nn.GELU(), node, state.value(node))


def _hard_sigmoid(state: State, node: Node) -> None:
    alpha = float(node.options.get("alpha", 0.2))
    if abs(alpha - 1 / 6) > 1e-6 or float(node.options.get("beta", 0.5)) != 0.5:
        raise UnsupportedError(f"{node}: only a slope of 1/6 is known")
    state.add(nn.Hardsigmoid(), node, state.value(node))


READERS: dict[str, Reader] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Conv": _conv,
    "Dropout": _dropout,
    "Elu": _elementwise(lambda options: nn.ELU(options.get("alpha", 1.0))),
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool(nn.GlobalAvgPool2d),
    "GlobalMaxPool": _global_pool(nn.GlobalMaxPool2d),
    "HardSigmoid": _hard_sigmoid,
    "Identity": _pass,
    "LeakyRelu": _elementwise(lambda options: nn.LeakyReLU(options.get("alpha", 0.01))),
    "LogSoftmax": _over_axis(nn.LogSoftmax),
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "Relu": _elementwise(lambda options: nn.ReLU()),
    "Reshape": _reshape,
    "Selu": _elementwise(lambda options: nn.SELU()),
    "Sigmoid": _sigmoid,
    "Softmax": _over_axis(nn.Softmax),
    "Softplus": _elementwise(lambda options: nn.Softplus()),
    "Softsign": _elementwise(lambda options: nn.Softsign()),
    "Squeeze": _squeeze,
    "Tanh": _elementwise(lambda options: nn.Tanh()),
    "Transpose": _transpose,
    **functions.READERS,
}
