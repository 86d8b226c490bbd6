"""Each operator of ONNX as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.interop.onnx.chain import Node, UnsupportedError
from tilewright.interop.onnx.state import State

Array = NDArray[Any]
Reader = Callable[[State, Node], None]


def _conv(state: State, node: Node) -> None:
    state.images(node)
    weight = node.need(1)
    if weight.ndim != 4:
        raise UnsupportedError(f"{node}: only two-dimensional convolutions are known")
    K, group_channels, R, S = weight.shape
    groups = int(node.options.get("group", 1))
    stride = tuple(node.options.get("strides", (1, 1)))
    dilation = tuple(node.options.get("dilations", (1, 1)))
    extents = ((R - 1) * dilation[0] + 1, (S - 1) * dilation[1] + 1)
    bias = node.constant(2)
    layer = nn.Conv2d(
        group_channels * groups,
        K,
        (R, S),
        stride,
        _conv_padding(state, node, extents, stride),
        dilation,
        groups,
        bias is not None,
    )
    weight = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    state.set(node, layer, weight=weight, bias=bias)


def _conv_padding(
    state: State, node: Node, extents: tuple[int, int], stride: tuple[int, ...]
) -> tuple[int, int] | str:
    """Padding of a convolution: a pair, or TensorFlow's."""
    automatic = node.options.get("auto_pad", b"NOTSET").decode()
    if automatic == "SAME_UPPER":
        return "same"
    if automatic == "VALID":
        return 0, 0
    if automatic != "NOTSET":
        raise UnsupportedError(f"{node}: auto_pad {automatic} has no counterpart here")
    top, left, bottom, right = node.options.get("pads", (0, 0, 0, 0))
    if (top, left) == (bottom, right):
        return top, left
    sizes = state.extents()[:2]
    totals = [
        None if size is None else max((-(-size // step) - 1) * step + extent - size, 0)
        for size, step, extent in zip(sizes, stride, extents, strict=True)
    ]
    same = [(total // 2, total - total // 2) for total in totals if total is not None]
    if same == [(top, bottom), (left, right)]:
        return "same"
    raise UnsupportedError(
        f"{node}: pads {(top, left, bottom, right)} differ from side to side"
    )


def _window(node: Node) -> tuple[Any, Any, Any]:
    """Window, stride and padding of a pooling."""
    node.only(auto_pad=b"NOTSET", ceil_mode=0, storage_order=0)
    if set(node.options.get("dilations", (1,))) != {1}:
        raise UnsupportedError(f"{node}: dilated windows have no counterpart here")
    window = tuple(node.options["kernel_shape"])
    top, left, bottom, right = node.options.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        raise UnsupportedError(f"{node}: pads differ from side to side")
    return window, tuple(node.options.get("strides", (1, 1))), (top, left)


def _max_pool(state: State, node: Node) -> None:
    state.images(node)
    state.add(nn.MaxPool2d(*_window(node)), node)


def _average_pool(state: State, node: Node) -> None:
    state.images(node)
    count = bool(node.options.get("count_include_pad", 0))
    state.add(nn.AvgPool2d(*_window(node), count), node)


def _global_pool(layer: Callable[[], nn.Module]) -> Reader:
    def read(state: State, node: Node) -> None:
        state.images(node)
        state.add(layer(), node)
        state.pooled = True

    return read


def _gemm(state: State, node: Node) -> None:
    node.only(alpha=1.0, beta=1.0, transA=0)
    state.features_last(node)
    weight = node.need(1)
    _linear(
        state,
        node,
        weight.T if node.options.get("transB") else weight,
        node.constant(2),
    )


def _matmul(state: State, node: Node) -> None:
    state.features_last(node)
    weight = node.need(1)
    following = state.chain.take("Add")
    if following is None:
        _linear(state, node, weight, None)
        return
    bias = next(array for array in following.constants if array is not None)
    _linear(state, following, weight, bias)


def _linear(state: State, node: Node, weight: Array, bias: Array | None) -> None:
    if weight.ndim != 2:
        raise UnsupportedError(f"{node}: the weight must be a matrix")
    size = weight.shape[1]
    if bias is not None:
        if bias.size not in (1, size):
            raise UnsupportedError(f"{node}: the bias must have {size} elements")
        bias = np.broadcast_to(bias.reshape(-1), (size,))
    layer = nn.Linear(len(weight), size, bias is not None)
    weight = state.rows(np.ascontiguousarray(weight), node)
    state.mixed()
    state.set(node, layer, weight=weight, bias=bias)


def _batch_norm(state: State, node: Node) -> None:
    node.only(training_mode=0)
    weight, bias, mean, variance = (
        state.rows(node.need(position), node) for position in range(1, 5)
    )
    size = len(weight)
    eps = float(node.options.get("epsilon", 1e-5))
    # ONNX says how much of the old value stays, here it is how much goes.
    momentum = 1 - float(node.options.get("momentum", 0.9))
    layer: nn.Module
    if state.rank == 4:
        state.images(node)
        layer = nn.BatchNorm2d(size, eps, momentum)
    else:
        if state.rank == 3 and not state.first:
            raise UnsupportedError(f"{node}: expected sequences with channels first")
        layer = nn.BatchNorm1d(size, eps, momentum)
    state.set(
        node, layer, weight=weight, bias=bias, running_mean=mean, running_var=variance
    )


def _flatten(state: State, node: Node) -> None:
    node.only(axis=1)
    state.flatten(node)


def _reshape(state: State, node: Node) -> None:
    wanted = node.need(1).tolist()
    rank = state.rank
    if rank is None:
        raise UnsupportedError(f"{node}: the rank of its input is unknown")
    if len(wanted) == 2 and (wanted[0] in (0, -1) or wanted[1] == -1):
        state.flatten(node)
        return
    if wanted.count(-1) != 1 or state.first or state.pooled:
        raise UnsupportedError(f"{node}: no layer makes shape {wanted}")
    start = wanted.index(-1)
    end = start + rank - len(wanted)
    # Extents of all axes; the batch's is any.
    extents = (None, *state.extents())
    kept = [*range(start), *range(end + 1, rank)]
    named = [size for size in wanted if size != -1]
    if end < start or any(
        size not in (0, extents[axis]) for size, axis in zip(named, kept, strict=True)
    ):
        raise UnsupportedError(f"{node}: no layer makes shape {wanted}")
    state.add(nn.Flatten(start, end - rank), node)


def _squeeze(state: State, node: Node) -> None:
    if not state.pooled:
        raise UnsupportedError(f"{node}: no layer leaves axes out")
    state.flatten(node)


def _dropout(state: State, node: Node) -> None:
    ratio = node.constant(1)
    state.add(nn.Dropout(0.5 if ratio is None else float(ratio)), node)


def _pass(state: State, node: Node) -> None:
    state.follow(node)


def _over_axis(layer: Callable[[int], nn.Module]) -> Reader:
    def read(state: State, node: Node) -> None:
        axis, rank = int(node.options.get("axis", -1)), state.rank
        if state.pooled or rank is None or state.channels > 1:
            raise UnsupportedError(f"{node}: its input has no such axis here")
        axis %= rank
        if state.first and axis:
            axis = rank - 1 if axis == 1 else axis - 1
        state.add(layer(axis - rank), node)

    return read


def _elementwise(layer: Callable[[dict[str, Any]], nn.Module]) -> Reader:
    def read(state: State, node: Node) -> None:
        state.add(layer(node.options), node)

    return read


def _clip(state: State, node: Node) -> None:
    low, high = node.constant(1), node.constant(2)
    if low is None or float(low) != 0:
        raise UnsupportedError(f"{node}: only limits of 0 and 6, or 0 alone, are known")
    if high is None:
        state.add(nn.ReLU(), node)
    elif float(high) == 6:
        state.add(nn.ReLU6(), node)
    else:
        raise UnsupportedError(f"{node}: only limits of 0 and 6, or 0 alone, are known")


def _gelu(state: State, node: Node) -> None:
    node.only(approximate=b"none")
    state.add(nn.GELU(), node)


def _hard_sigmoid(state: State, node: Node) -> None:
    alpha = float(node.options.get("alpha", 0.2))
    if abs(alpha - 1 / 6) > 1e-6 or float(node.options.get("beta", 0.5)) != 0.5:
        raise UnsupportedError(f"{node}: only a slope of 1/6 is known")
    state.add(nn.Hardsigmoid(), node)


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
    "SiLU": _elementwise(lambda options: nn.SiLU()),
    "Sigmoid": _elementwise(lambda options: nn.Sigmoid()),
    "Softmax": _over_axis(nn.Softmax),
    "Softplus": _elementwise(lambda options: nn.Softplus()),
    "Softsign": _elementwise(lambda options: nn.Softsign()),
    "Squeeze": _squeeze,
    "Tanh": _elementwise(lambda options: nn.Tanh()),
    "Transpose": lambda state, node: state.transpose(node),
}
