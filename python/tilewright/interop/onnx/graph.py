"""An ONNX graph that is being written, and the layouts of the values in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]

# Axes of channels-first images in channels-last ones, and the reverse; and the same
# of sequences.
TO_FIRST = {4: (0, 3, 1, 2), 3: (0, 2, 1)}
TO_LAST = {4: (0, 2, 3, 1), 3: (0, 2, 1)}


@dataclass(eq=False)
class Placed:
    """A value of the graph, in one layout or in both.

    Attributes
    ----------
    shape : tuple of int
        Channels last, with the batch.
    last, first : str or None
        Its name with the channels last, and with the channels first, as ONNX's
        convolutions have them; made when they are asked for.
    """

    shape: Shape
    last: str | None = None
    first: str | None = None

    @property
    def prefers_first(self) -> bool:
        """Whether it would have to be turned to be channels last."""
        return self.last is None


class Graph:
    """Nodes and weights, in the order in which they were added.

    Parameters
    ----------
    onnx : module
    reserved : set of str
        Names of inputs and outputs, which nothing else gets.

    Attributes
    ----------
    nodes, weights : list
        What ``make_graph`` takes.
    """

    def __init__(self, onnx: Any, reserved: set[str]) -> None:
        self._onnx = onnx
        self._reserved = reserved
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._arrays: dict[str, Array] = {}

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str | None = None,
        **attributes: Any,
    ) -> str:
        """Add an operator, and return the name of what it makes."""
        name = output or f"v{len(self.nodes)}"
        while not output and name in self._reserved:
            name += "_"
        self.nodes.append(
            self._onnx.helper.make_node(
                operator,
                list(inputs),
                [name],
                name=f"{operator}_{len(self.nodes)}",
                **attributes,
            )
        )
        return name

    def last(self, value: Placed) -> str:
        """The name of a value with its channels last."""
        if value.last is None:
            assert value.first is not None
            order = TO_LAST[len(value.shape)]
            value.last = self.add("Transpose", [value.first], perm=order)
        return value.last

    def first(self, value: Placed) -> str:
        """The name of a value with its channels first; rows have but one layout."""
        if len(value.shape) not in TO_FIRST:
            return self.last(value)
        if value.first is None:
            assert value.last is not None
            order = TO_FIRST[len(value.shape)]
            value.first = self.add("Transpose", [value.last], perm=order)
        return value.first

    def one_of(self, value: Placed) -> tuple[str, bool]:
        """The name of a value as it lies, and whether that is channels first."""
        if value.last is not None:
            return value.last, False
        return self.first(value), True

    def placed(self, name: str, first: bool, shape: Shape) -> Placed:
        """A value that was just made in one layout."""
        if first and len(shape) in TO_FIRST:
            return Placed(shape, first=name)
        return Placed(shape, last=name)

    def weight(self, name: str, array: Array) -> str:
        """Keep an array in the file, floats as float32, and return its name.

        A layer that is used twice has its arrays there once.
        """
        kind = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype
        array = np.array(array, kind, order="C")
        unique, number = name or "c", 1
        while unique in self._arrays or unique in self._reserved:
            known = self._arrays.get(unique)
            if known is not None and _same(known, array):
                return unique
            unique, number = f"{name or 'c'}_{number}", number + 1
        self._arrays[unique] = array
        self.weights.append(self._onnx.numpy_helper.from_array(array, unique))
        return unique

    def numbers(self, *values: int) -> str:
        """Keep whole numbers in the file, as shapes and axes are given."""
        name = "_".join(["i", *(str(value).replace("-", "m") for value in values)])
        return self.weight(name, np.array(values, np.int64))


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()
