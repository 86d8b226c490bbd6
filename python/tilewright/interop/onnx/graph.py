"""An ONNX graph that grows at its end, and the layout of what comes out there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Axes of channels-first images in channels-last ones, and the reverse; and the same
# of sequences.
TO_FIRST = {4: (0, 3, 1, 2), 3: (0, 2, 1)}
TO_LAST = {4: (0, 2, 3, 1), 3: (0, 2, 1)}


class Graph:
    """Nodes in a row.

    Parameters
    ----------
    onnx : module
    shape : tuple of int
        Of one sample at the input, channels last.

    Attributes
    ----------
    nodes, weights : list
        What ``make_graph`` takes.
    shape : tuple of int
        Of one sample at the end, channels last whatever the layout.
    first : bool
        Whether the end is channels first, as ONNX's convolutions have it.
    """

    def __init__(self, onnx: Any, shape: tuple[int, ...]) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.shape = shape
        self.first = False
        self._end = "x"

    def add(
        self, operator: str, *extra: str, output: str | None = None, **attributes: Any
    ) -> None:
        """Put an operator at the end; `extra` are its inputs after the first."""
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(
            self._onnx.helper.make_node(
                operator,
                [self._end, *extra],
                [name],
                name=f"{operator}_{len(self.nodes)}",
                **attributes,
            )
        )
        self._end = name

    def gate(self, operator: str) -> None:
        """Put ``x * operator(x)`` at the end."""
        before = self._end
        self.add(operator)
        self.add("Mul", before)

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """Keep an array in the file, floats as float32, and return its name."""
        kind = np.dtype(np.float32) if array.dtype.kind == "f" else array.dtype
        array = np.array(array, kind, order="C")
        self.weights.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def channels_first(self) -> None:
        """Bring the end into ONNX's layout."""
        if not self.first and len(self.shape) > 1:
            self.add("Transpose", perm=TO_FIRST[len(self.shape) + 1])
            self.first = True

    def channels_last(self) -> None:
        """Bring the end into our layout."""
        if self.first:
            self.add("Transpose", perm=TO_LAST[len(self.shape) + 1])
            self.first = False
