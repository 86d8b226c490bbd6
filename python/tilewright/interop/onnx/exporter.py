"""From a model to an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tilewright import nn
from tilewright.atomic import write_atomic
from tilewright.autograd import no_grad
from tilewright.extras import require
from tilewright.interop.onnx import operators
from tilewright.interop.onnx.graph import Graph
from tilewright.interop.row import layers

# What is used below is in it, and onnxruntime has had it since 1.17.
_OPSET = 20
_IR_VERSION = 9
PRODUCER = "tilewright"


def export(
    model: nn.Module, path: str | os.PathLike[str], input_shape: Sequence[int]
) -> None:
    """Write a model as an ONNX file.

    The file's input is called ``x`` and is laid out as here, images channels last and
    any number of them; its output is called ``y``. The model is written as it is in
    evaluation; Dropout is kept for those who train on. Weights become float32.

    Parameters
    ----------
    model : Module
        A Sequential of layers of `tilewright.nn`, or a model of the zoo.
    path : path
        Replaced whole or not at all.
    input_shape : sequence of int
        Of one sample: ``(H, W, C)``, ``(T, C)`` or ``(C,)``.

    Raises
    ------
    TypeError
        If it is no Module.
    ValueError
        If a layer cannot be expressed, the order of the layers cannot be known, or
        the model does not take inputs of that shape.
    ImportError
        If onnx is not installed.

    References
    ----------
    Open Neural Network Exchange, operator schemas, https://onnx.ai/onnx/operators/.

    Examples
    --------
    >>> import os, tempfile
    >>> from tilewright import nn
    >>> from tilewright.interop import onnx
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.GlobalAvgPool2d())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.onnx")
    ...     onnx.export(model, path, input_shape=(28, 28, 1))
    ...     onnx.load(path)
    Sequential(
      (0): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1))
      (1): ReLU()
      (2): GlobalAvgPool2d()
    )
    """
    onnx = require("onnx", extra="onnx")
    row = layers("export", model)
    shape = tuple(int(size) for size in input_shape)
    if not shape or min(shape) < 1:
        raise ValueError(
            f"export: input_shape must be of one sample and positive, got {shape}"
        )
    graph = Graph(onnx, shape)
    with no_grad():
        value = np.zeros((1, *shape), _dtype(model))
        for name, layer in row:
            value = _output(name, layer, value)
            operators.add(graph, name, layer, value.shape[1:])
    content = _model(onnx, graph, shape, value.shape[1:]).SerializeToString()
    write_atomic(Path(path), content)


def _dtype(model: nn.Module) -> Any:
    return next((p.dtype for p in model.parameters()), np.dtype(np.float32))


def _output(name: str, layer: nn.Module, value: Any) -> Any:
    """What a layer makes of an input in evaluation, its own mode kept."""
    training = layer.training
    layer.training = False
    try:
        return layer(value).data
    except ValueError as error:
        raise ValueError(f"export: layer {name or 'of the model'}: {error}") from error
    finally:
        layer.training = training


def _model(
    onnx: Any, graph: Graph, before: tuple[int, ...], after: tuple[int, ...]
) -> Any:
    """The checked model, its input and output described."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph.channels_last()
    graph.add("Identity", output="y")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            [helper.make_tensor_value_info("x", kind, ["N", *before])],
            [helper.make_tensor_value_info("y", kind, ["N", *after])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name=PRODUCER,
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
