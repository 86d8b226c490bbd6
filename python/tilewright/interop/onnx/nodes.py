"""The nodes of an ONNX file, with the constants that they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FileShape = tuple[int | None, ...]


class UnsupportedError(Exception):
    """A file is in order, but has something that nothing here does."""


@dataclass(eq=False)
class Node:
    """One operator.

    Attributes
    ----------
    operator, name : str
    options : dict
        Its attributes.
    constants : list
        Its inputs; None for those that are computed, and for those left out.
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
    shape: FileShape | None = None

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

    def numbers(self, position: int, attribute: str) -> list[int] | None:
        """Whole numbers, an input or, in older files, an attribute."""
        array = self.constant(position)
        if array is None:
            given = self.options.get(attribute)
            return None if given is None else [int(each) for each in given]
        return [int(each) for each in np.atleast_1d(array)]

    def only(self, **allowed: Any) -> None:
        """Refuse options that have another value than those named."""
        for name, value in allowed.items():
            given = self.options.get(name, value)
            if given != value:
                raise UnsupportedError(f"{self}: {name} must be {value}, got {given}")

    def __str__(self) -> str:
        return f"node {self.name or self.outputs[0]!r} ({self.operator})"


class File:
    """The graph of an ONNX file.

    Parameters
    ----------
    onnx : module
    model : onnx.ModelProto
        Checked, with inferred shapes.

    Attributes
    ----------
    producer : str
        Which program wrote the file.
    inputs : list of (str, tuple or None)
        Names and shapes of what it takes, with None for what is not known.
    outputs : list of str
    nodes : list of Node
        Each after those whose values it takes.
    """

    def __init__(self, onnx: Any, model: Any) -> None:
        graph = model.graph
        self.producer: str = model.producer_name
        constants = {
            item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer
        }
        self.inputs = [
            (item.name, _shape(item))
            for item in graph.input
            if item.name not in constants
        ]
        self.outputs = [item.name for item in graph.output]
        shapes = {
            item.name: _shape(item) for item in [*graph.value_info, *graph.output]
        }
        self.nodes: list[Node] = []
        self._users: dict[str, list[Node]] = {}
        for item in graph.node:
            options = {
                attribute.name: onnx.helper.get_attribute_value(attribute)
                for attribute in item.attribute
            }
            if item.op_type == "Constant":
                constants[item.output[0]] = _value(onnx, options)
                continue
            inputs = list(item.input)
            if item.op_type == "Identity" and inputs[0] in constants:
                # PyTorch names weights that are equal so.
                constants[item.output[0]] = constants[inputs[0]]
                continue
            node = Node(
                item.op_type,
                item.name,
                options,
                [constants.get(name) for name in inputs],
                inputs,
                list(item.output),
                shapes.get(item.output[0]),
            )
            self.nodes.append(node)
            for name in set(inputs):
                self._users.setdefault(name, []).append(node)
        self.constants: dict[str, Array] = constants

    def users(self, name: str) -> list[Node]:
        """The nodes that take a value."""
        return self._users.get(name, [])

    def follower(self, node: Node, operator: str) -> Node | None:
        """The node behind another, if it alone takes its value and is of a kind."""
        users = self.users(node.outputs[0])
        if (
            len(users) != 1
            or users[0].operator != operator
            or node.outputs[0] in self.outputs
        ):
            return None
        return users[0]


def _shape(item: Any) -> FileShape | None:
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
