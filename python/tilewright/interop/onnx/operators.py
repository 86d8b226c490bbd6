"""Each layer as ONNX's operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright import nn
from tilewright.interop.onnx.graph import Graph
from tilewright.kernels import shapes

Shape = tuple[int, ...]
# Graph, beginning of the weights' names, and layer.
Writer = Callable[[Graph, str, Any], None]


def add(graph: Graph, name: str, layer: nn.Module, shape: Shape) -> None:
    """Put a layer at the end of a graph.

    Parameters
    ----------
    graph : Graph
    name : str
        The layer's, with which those of its weights begin.
    layer : Module
    shape : tuple of int
        Of one sample that the layer returns.

    Raises
    ------
    ValueError
        If the layer cannot be expressed.
    """
    kind = type(layer)
    if kind not in LAYERS:
        raise ValueError(f"export: {kind.__name__} has no counterpart in ONNX")
    LAYERS[kind](graph, f"{name}." if name else "", layer)
    graph.shape = shape


def _conv2d(graph: Graph, prefix: str, layer: Any) -> None:
    weight = layer.weight.data
    (top, bottom), (left, right) = shapes.conv(
        "export",
        (1, *graph.shape),
        weight.shape,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
    ).padding
    graph.channels_first()
    weights = [graph.weight(prefix + "weight", weight.transpose(3, 2, 0, 1))]
    if layer.bias is not None:
        weights.append(graph.weight(prefix + "bias", layer.bias.data))
    graph.add(
        "Conv",
        *weights,
        kernel_shape=weight.shape[:2],
        strides=layer.stride,
        pads=(top, left, bottom, right),
        dilations=layer.dilation,
        group=layer.groups,
    )


def _linear(graph: Graph, prefix: str, layer: Any) -> None:
    graph.channels_last()
    weight = graph.weight(prefix + "weight", layer.weight.data)
    bias = layer.bias
    names = [] if bias is None else [graph.weight(prefix + "bias", bias.data)]
    if len(graph.shape) == 1:
        graph.add("Gemm", weight, *names)
        return
    graph.add("MatMul", weight)
    if names:
        graph.add("Add", *names)


def _batch_norm(graph: Graph, prefix: str, layer: Any) -> None:
    if layer.running_mean is None:
        raise ValueError(
            f"export: {type(layer).__name__} without running values depends on the "
            "batch, which ONNX cannot express"
        )
    graph.channels_first()
    weight, bias = np.ones(layer.num_features), np.zeros(layer.num_features)
    if layer.weight is not None:
        weight, bias = layer.weight.data, layer.bias.data
    graph.add(
        "BatchNormalization",
        graph.weight(prefix + "weight", weight),
        graph.weight(prefix + "bias", bias),
        graph.weight(prefix + "running_mean", layer.running_mean),
        graph.weight(prefix + "running_var", layer.running_var),
        epsilon=float(layer.eps),
    )


def _pool2d(operator: str) -> Writer:
    def put(graph: Graph, prefix: str, layer: Any) -> None:
        graph.channels_first()
        rows, columns = shapes.pair("export", "padding", layer.padding, 0)
        options: dict[str, Any] = {}
        if operator == "AveragePool":
            options["count_include_pad"] = int(layer.count_include_pad)
        graph.add(
            operator,
            kernel_shape=shapes.pair("export", "kernel_size", layer.kernel_size, 1),
            strides=shapes.pair("export", "stride", layer.stride, 1),
            pads=(rows, columns, rows, columns),
            **options,
        )

    return put


def _global_pool2d(operator: str) -> Writer:
    def put(graph: Graph, prefix: str, layer: Any) -> None:
        graph.channels_first()
        graph.add(operator)
        graph.add("Flatten", axis=1)
        graph.first = False

    return put


def _flatten(graph: Graph, prefix: str, layer: Any) -> None:
    graph.channels_last()
    ndim = len(graph.shape) + 1
    start, end = layer.start_axis % ndim, layer.end_axis % ndim
    if start == 1 and end == ndim - 1:
        graph.add("Flatten", axis=1)
        return
    if start == 0:
        raise ValueError("export: Flatten from axis 0 joins samples of a batch")
    # 0 keeps an extent, -1 is what the joined axes have.
    shape = np.array([0] * start + [-1] + list(graph.shape)[end:], np.int64)
    graph.add("Reshape", graph.weight(prefix + "shape", shape))


def _dropout(graph: Graph, prefix: str, layer: Any) -> None:
    ratio = graph.weight(prefix + "p", np.array(layer.p, np.float32))
    graph.add("Dropout", ratio)


def _over_axis(operator: str) -> Writer:
    def put(graph: Graph, prefix: str, layer: Any) -> None:
        graph.channels_last()
        graph.add(operator, axis=layer.axis)

    return put


def _elementwise(operator: str, **options: str | float) -> Writer:
    """An operator; an option that is a name is the layer's attribute of that name."""

    def put(graph: Graph, prefix: str, layer: Any) -> None:
        values: dict[str, Any] = {
            key: float(getattr(layer, value) if isinstance(value, str) else value)
            for key, value in options.items()
        }
        graph.add(operator, **values)

    return put


def _relu6(graph: Graph, prefix: str, layer: Any) -> None:
    low = graph.weight(prefix + "low", np.array(0, np.float32))
    high = graph.weight(prefix + "high", np.array(6, np.float32))
    graph.add("Clip", low, high)


def _silu(graph: Graph, prefix: str, layer: Any) -> None:
    graph.gate("Sigmoid")


LAYERS: dict[type[nn.Module], Writer] = {
    nn.AvgPool2d: _pool2d("AveragePool"),
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _conv2d,
    nn.DepthwiseConv2d: _conv2d,
    nn.Dropout: _dropout,
    nn.ELU: _elementwise("Elu", alpha="alpha"),
    nn.Flatten: _flatten,
    nn.GELU: _elementwise("Gelu"),
    nn.GlobalAvgPool2d: _global_pool2d("GlobalAveragePool"),
    nn.GlobalMaxPool2d: _global_pool2d("GlobalMaxPool"),
    nn.Hardsigmoid: _elementwise("HardSigmoid", alpha=1 / 6, beta=0.5),
    nn.LeakyReLU: _elementwise("LeakyRelu", alpha="negative_slope"),
    nn.Linear: _linear,
    nn.LogSoftmax: _over_axis("LogSoftmax"),
    nn.MaxPool2d: _pool2d("MaxPool"),
    nn.ReLU: _elementwise("Relu"),
    nn.ReLU6: _relu6,
    nn.SELU: _elementwise("Selu"),
    nn.SiLU: _silu,
    nn.Sigmoid: _elementwise("Sigmoid"),
    nn.Softmax: _over_axis("Softmax"),
    nn.Softplus: _elementwise("Softplus"),
    nn.Softsign: _elementwise("Softsign"),
    nn.Tanh: _elementwise("Tanh"),
}
