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
    input_names: Sequence[str] | None = None,
) -> None:
    """Write a model as an ONNX file.

    The file's input is called ``x`` and is laid out as here, images channels last and
    any number of them; its output is called ``y``. Several are called ``x0``, ``x1``
    and so on, unless named; outputs in a dict have its keys. The model is written as
    it is in evaluation; Dropout is kept for those who train on. Weights become
    float32.

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
    input_names : sequence of str, optional
        What the inputs are called, one name for each.

    Raises
    ------
    TypeError
        If it is no Module, or `input_shape` is of no integers.
    ValueError
        If there are not as many names, or one of them twice, a layer or function
        cannot be expressed, the steps of the model depend on what its inputs hold, or
        it does not take inputs of that shape.
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
    shapes = sample_shapes("export", input_shape)
    names = _names(input_names, len(shapes))
    content = _model(onnx, names, trace("export", model, shapes)).SerializeToString()
    write_atomic(Path(path), content)


def _names(given: Sequence[str] | None, count: int) -> list[str]:
    """What the inputs are called."""
    if given is None:
        return [f"x{number}" for number in range(count)] if count > 1 else ["x"]
    names = [str(name) for name in given]
    if len(names) != count or len(set(names)) != count or not all(names):
        raise ValueError(
            f"export: input_names must be {count} different names, one for each input, "
            f"got {names}"
        )
    return names


def _model(onnx: Any, names: list[str], found: Trace) -> Any:
    """The checked model, its inputs and outputs described."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    results = [f"y{key}" if not key or key.isdigit() else key for key in found.outputs]
    if len({*names, *results}) < len(names) + len(results):
        raise ValueError(
            f"export: inputs and outputs must have different names, got {names} and "
            f"{results}"
        )
    graph = Graph(onnx, {*names, *results})
    placed: dict[int, Placed] = {}
    inputs = []
    for name, value in zip(names, found.inputs, strict=True):
        placed[id(value)] = Placed(value.shape, last=name)
        inputs.append(
            helper.make_tensor_value_info(name, kind, ["N", *value.shape[1:]])
        )
    _add_steps(graph, found, placed)
    outputs = []
    for name, y in zip(results, found.outputs.values(), strict=True):
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
