"""The nodes of an ONNX graph in which each takes what the one before it made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class UnsupportedError(Exception):
    """A file is in order, but has something that no layer here does."""


@dataclass
class Node:
    """One operator.

    Attributes
    ----------
    operator, name : str
    options : dict
        Its attributes.
    constants : list
        Its inputs; None for the value that comes from the node before, and for those
        that are left out.
    inputs, outputs : list of str
        Names of its values.
    shape : tuple
        Of its output, with None for what is not known.
    """

    operator: str
    name: str
    options: dict[str, Any]
    constants: list[Array | None]
    inputs: list[str]
    outputs: list[str]
    shape: tuple[int | None, ...] | None = None

    def constant(self, position: int) -> Array | None:
        """The constant at a position; None where it is left out."""
        if position >= len(self.inputs) or not self.inputs[position]:
            return None
        array = self.constants[position]
        if array is None:
            raise UnsupportedError(f"{self}: input {position} must be a constant")
        return array

    def need(self, position: int) -> Array:
        """The constant at a position, which may not be left out."""
        array = self.constant(position)
        if array is None:
            raise UnsupportedError(f"{self}: input {position} is missing")
        return array

    def only(self, **allowed: Any) -> None:
        """Refuse options that have another value than those named."""
        for name, value in allowed.items():
            given = self.options.get(name, value)
            if given != value:
                raise UnsupportedError(f"{self}: {name} must be {value}, got {given}")

    def __str__(self) -> str:
        return f"node {self.name or self.outputs[0]!r} ({self.operator})"


class Chain:
    """The nodes of a graph in their order.

    Parameters
    ----------
    onnx : module
    model : onnx.ModelProto
        Checked, with inferred shapes.

    Attributes
    ----------
    producer : str
        Which program wrote the file.
    input_shape : tuple
        Of the input, with None for what is not known.

    Raises
    ------
    UnsupportedError
        If it has other than one input and output, or its nodes branch.
    """

    def __init__(self, onnx: Any, model: Any) -> None:
        graph = model.graph
        self.producer: str = model.producer_name
        self._constants = {
            item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer
        }
        inputs = [item for item in graph.input if item.name not in self._constants]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise UnsupportedError(
                f"expected one input and one output, got {len(inputs)} and "
                f"{len(graph.output)}"
            )
        self.input_shape = _shape(inputs[0])
        shapes = {
            item.name: _shape(item) for item in [*graph.value_info, *graph.output]
        }
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._end = inputs[0].name
        self._last = graph.output[0].name
        self._nodes = []
        for item in graph.node:
            options = {
                attribute.name: onnx.helper.get_attribute_value(attribute)
                for attribute in item.attribute
            }
            if item.op_type == "Constant":
                self._constants[item.output[0]] = _value(onnx, options)
                continue
            self._nodes.append(
                Node(
                    item.op_type,
                    item.name,
                    options,
                    [],
                    list(item.input),
                    list(item.output),
                    shapes.get(item.output[0]),
                )
            )

    def next(self) -> Node | None:
        """The next node, or None at the end."""
        if not self._nodes:
            if self._end != self._last:
                raise UnsupportedError("the output is not what the last node makes")
            return None
        node = self._nodes.pop(0)
        if self._end not in node.inputs:
            raise UnsupportedError(
                f"{node}: does not take what the node before it makes; only operators "
                "in a row can be read"
            )
        node.constants = [self._constants.get(name) for name in node.inputs]
        if self._uses[self._end] > 1 and not self._gates(node):
            raise UnsupportedError(
                f"{node}: what it takes is used more than once; only operators in a "
                "row can be read"
            )
        self._end = node.outputs[0]
        return node

    def _gates(self, node: Node) -> bool:
        """Whether a Sigmoid is that of SiLU, which the Mul behind it completes."""
        following = self._nodes[0] if self._nodes else None
        if node.operator != "Sigmoid" or following is None:
            return False
        pair = {node.inputs[0], node.outputs[0]}
        if following.operator != "Mul" or set(following.inputs) != pair:
            return False
        self._nodes.pop(0)
        node.operator, node.outputs = "SiLU", following.outputs
        return True

    def take(self, operator: str) -> Node | None:
        """The next node, if it is of this operator and takes one constant more."""
        following = self._nodes[0] if self._nodes else None
        if (
            following is None
            or following.operator != operator
            or self._end not in following.inputs
            or not any(name in self._constants for name in following.inputs)
        ):
            return None
        return self.next()


def _shape(item: Any) -> tuple[int | None, ...] | None:
    kind = item.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(
        size.dim_value if size.HasField("dim_value") else None
        for size in kind.shape.dim
    )


def _value(onnx: Any, options: dict[str, Any]) -> Array:
    ((name, value),) = options.items()
    if name == "value":
        array: Array = onnx.numpy_helper.to_array(value)
        return array
    if name in ("value_float", "value_floats"):
        return np.array(value, np.float32)
    if name in ("value_int", "value_ints"):
        return np.array(value, np.int64)
    raise UnsupportedError(f"a constant given as {name} cannot be read")
