"""From a model to an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tilewright import nn
from tilewright.atomic import write_atomic
from tilewright.extras import require
from tilewright.interop.onnx.functions import add_function
from tilewright.interop.onnx.graph import Graph, Placed
from tilewright.interop.onnx.operators import add_layer
from tilewright.interop.trace import (
    BATCH,
    Constant,
    Trace,
    Value,
    sample_shapes,
    trace,
)

# What is used below is in it, and onnxruntime has had it since 1.17.
_OPSET = 20
_IR_VERSION = 9
PRODUCER = "tilewright"


def export(
    model: nn.Module,
    path: str | os.PathLike[str],
    input_shape: Sequence[int] | Sequence[Sequence[int]],
) -> None:
    """Write a model as an ONNX file.

    The file's input is called ``x`` and is laid out as here, images channels last and
    any number of them; its output is called ``y``. Several are called ``x0``, ``x1``
    and so on; outputs in a dict have its keys. The model is written as it is in
    evaluation; Dropout is kept for those who train on. Weights become float32.

    The layers, and the functions outside of them, are found by running the model
    (:func:`tilewright.interop.trace.trace`), so that any Module can be exported whose
    ``forward`` does the same whatever its inputs hold.

    Parameters
    ----------
    model : Module
    path : path
        Replaced whole or not at all.
    input_shape : sequence of int, or a sequence of them
        Of one sample: ``(H, W, C)``, ``(T, C)`` or ``(C,)``; for several inputs one
        for each.

    Raises
    ------
    TypeError
        If it is no Module, or `input_shape` is of no integers.
    ValueError
        If a layer or function cannot be expressed, the steps of the model depend on
        what its inputs hold, or it does not take inputs of that shape.
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
    found = trace("export", model, sample_shapes("export", input_shape))
    content = _model(onnx, Graph(onnx), found).SerializeToString()
    write_atomic(Path(path), content)


def _model(onnx: Any, graph: Graph, found: Trace) -> Any:
    """The checked model, its inputs and outputs described."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    placed: dict[int, Placed] = {}
    several = len(found.inputs) > 1
    inputs = []
    for number, value in enumerate(found.inputs):
        name = f"x{number}" if several else "x"
        placed[id(value)] = Placed(value.shape, last=name)
        inputs.append(
            helper.make_tensor_value_info(name, kind, ["N", *value.shape[1:]])
        )
    _add_steps(graph, found, placed)
    outputs = []
    for key, y in found.outputs.items():
        name = f"y{key}" if not key or key.isdigit() else key
        if name in graph.taken or name in {item.name for item in inputs}:
            raise ValueError(f"export: an output must not have the name {name!r}")
        if isinstance(y, Constant):
            last, shape = graph.weight(y.name, y.array), list(y.array.shape)
        else:
            last, shape = graph.last(placed[id(y)]), list(y.shape)
            if shape and shape[0] % BATCH == 0:
                shape[0] = "N" if shape[0] == BATCH else None
        graph.add("Identity", [last], output=name)
        outputs.append(helper.make_tensor_value_info(name, kind, shape))
    model = helper.make_model(
        helper.make_graph(graph.nodes, "network", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name=PRODUCER,
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _add_steps(graph: Graph, found: Trace, placed: dict[int, Placed]) -> None:
    for step in found.steps:
        operands = [
            placed[id(each)] if isinstance(each, Value) else each
            for each in step.operands
        ]
        shape, options = step.result.shape, step.options
        if isinstance(step.action, nn.Module):
            (x,) = operands
            y = add_layer(graph, step.name, step.action, x, shape)
        else:
            y = add_function(graph, step.action, operands, options, shape)
        placed[id(step.result)] = y
