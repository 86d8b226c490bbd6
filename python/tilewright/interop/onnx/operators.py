"""Each layer as ONNX's operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright import nn
from tilewright.interop.onnx.graph import Graph, Placed, Shape
from tilewright.kernels import shapes

# Graph, beginning of the weights' names, layer, its input, and its output's shape.
Writer = Callable[[Graph, str, Any, Placed, Shape], Placed]


def add_layer(
    graph: Graph, name: str, layer: nn.Module, x: Placed, shape: Shape
) -> Placed:
    """Add a layer to a graph.

    Parameters
    ----------
    graph : Graph
    name : str
        The layer's, with which those of its weights begin.
    layer : Module
    x : Placed
        What it takes.
    shape : tuple of int
        Of what it returns.

    Returns
    -------
    Placed

    Raises
    ------
    ValueError
        If the layer cannot be expressed.
    """
    kind = type(layer)
    if kind not in LAYERS:
        raise ValueError(f"export: {kind.__name__} has no counterpart in ONNX")
    return LAYERS[kind](graph, f"{name}." if name else "", layer, x, shape)


def _conv2d(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
    weight = layer.weight.data
    (top, bottom), (left, right) = shapes.conv(
        "export",
        x.shape,
        weight.shape,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
    ).padding
    inputs = [
        graph.first(x),
        graph.weight(prefix + "weight", weight.transpose(3, 2, 0, 1)),
    ]
    if layer.bias is not None:
        inputs.append(graph.weight(prefix + "bias", layer.bias.data))
    y = graph.add(
        "Conv",
        inputs,
        kernel_shape=weight.shape[:2],
        strides=shapes.pair("export", "stride", layer.stride, 1),
        pads=(top, left, bottom, right),
        dilations=shapes.pair("export", "dilation", layer.dilation, 1),
        group=layer.groups,
    )
    return graph.placed(y, True, shape)


def _linear(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
    weight = graph.weight(prefix + "weight", layer.weight.data)
    bias = layer.bias
    names = [] if bias is None else [graph.weight(prefix + "bias", bias.data)]
    if len(shape) == 2:
        y = graph.add("Gemm", [graph.last(x), weight, *names])
    else:
        y = graph.add("MatMul", [graph.last(x), weight])
        if names:
            y = graph.add("Add", [y, *names])
    return Placed(shape, last=y)


def _batch_norm(
    graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape
) -> Placed:
    if layer.running_mean is None:
        raise ValueError(
            f"export: {type(layer).__name__} without running values depends on the "
            "batch, which ONNX cannot express"
        )
    weight, bias = np.ones(layer.num_features), np.zeros(layer.num_features)
    if layer.weight is not None:
        weight = layer.weight.data
    if layer.bias is not None:
        bias = layer.bias.data
    y = graph.add(
        "BatchNormalization",
        [
            graph.first(x),
            graph.weight(prefix + "weight", weight),
            graph.weight(prefix + "bias", bias),
            graph.weight(prefix + "running_mean", layer.running_mean),
            graph.weight(prefix + "running_var", layer.running_var),
        ],
        epsilon=float(layer.eps),
    )
    return graph.placed(y, True, shape)


def _pool2d(operator: str) -> Writer:
    def put(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
        rows, columns = shapes.pair("export", "padding", layer.padding, 0)
        options: dict[str, Any] = {}
        if operator == "AveragePool":
            options["count_include_pad"] = int(layer.count_include_pad)
        y = graph.add(
            operator,
            [graph.first(x)],
            kernel_shape=shapes.pair("export", "kernel_size", layer.kernel_size, 1),
            strides=shapes.pair("export", "stride", layer.stride, 1),
            pads=(rows, columns, rows, columns),
            **options,
        )
        return graph.placed(y, True, shape)

    return put


def _global_pool2d(operator: str) -> Writer:
    def put(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
        y = graph.add(operator, [graph.first(x)])
        return Placed(shape, last=graph.add("Flatten", [y], axis=1))

    return put


def _flatten(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
    ndim = len(x.shape)
    start, end = layer.start_axis % ndim, layer.end_axis % ndim
    if start == 0 and end > 0:
        raise ValueError("export: Flatten from axis 0 joins samples of a batch")
    if start == 1 and end == ndim - 1:
        return Placed(shape, last=graph.add("Flatten", [graph.last(x)], axis=1))
    # 0 keeps an extent, -1 is what the joined axes have.
    wanted = [0] * start + [-1] + list(x.shape[end + 1 :])
    return Placed(
        shape, last=graph.add("Reshape", [graph.last(x), graph.numbers(*wanted)])
    )


def _dropout(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
    ratio = graph.weight(prefix + "p", np.array(layer.p, np.float32))
    name, first = graph.one_of(x)
    return graph.placed(graph.add("Dropout", [name, ratio]), first, shape)


def _over_axis(operator: str) -> Writer:
    def put(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
        y = graph.add(operator, [graph.last(x)], axis=layer.axis)
        return Placed(shape, last=y)

    return put


def _elementwise(operator: str, **options: str | float) -> Writer:
    """An operator; an option that is a name is the layer's attribute of that name."""

    def put(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
        values: dict[str, Any] = {
            key: float(getattr(layer, value) if isinstance(value, str) else value)
            for key, value in options.items()
        }
        name, first = graph.one_of(x)
        return graph.placed(graph.add(operator, [name], **values), first, shape)

    return put


def _relu6(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
    low = graph.weight(prefix + "low", np.array(0, np.float32))
    high = graph.weight(prefix + "high", np.array(6, np.float32))
    name, first = graph.one_of(x)
    return graph.placed(graph.add("Clip", [name, low, high]), first, shape)


def _silu(graph: Graph, prefix: str, layer: Any, x: Placed, shape: Shape) -> Placed:
    name, first = graph.one_of(x)
    gate = graph.add("Sigmoid", [name])
    return graph.placed(graph.add("Mul", [name, gate]), first, shape)


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
