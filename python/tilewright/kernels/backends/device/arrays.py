"""What the adapters ask of an array library."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

from tilewright.kernels.backends.protocol import Array, Shape

Memory: TypeAlias = tuple[int, int]  # address, bytes

FLOAT32 = np.dtype(np.float32)


class Arrays(Protocol):
    """Arrays of one kind, and the stream that kernels run on."""

    def empty(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return an array whose elements are yet to be written."""

    def memory(self, array: Array) -> Memory:
        """Return where an array's elements lie."""

    def stream(self) -> int:
        """Return the stream that work goes to now."""


class Adapter:
    """An extension with the CUDA kernels, and the arrays that it works on.

    Parameters
    ----------
    name
        The backend's.
    extension
        The module ``tilewright._cuda`` or one with the same functions.
    arrays
        The array library.
    """

    def __init__(self, name: str, extension: Any, arrays: Arrays) -> None:
        self.name = name
        self.dtypes: tuple[str, ...] = ("float32",)
        self._extension = extension
        self._arrays = arrays
        self._memory = arrays.memory

    def _empty(self, shape: Shape) -> Array:
        return self._arrays.empty(shape, FLOAT32)

    def _optional(self, array: Array | None) -> Memory | None:
        return None if array is None else self._memory(array)

    def _allocate(self, floats: int) -> tuple[Array, Memory]:
        """Return memory that a kernel needs beside its arrays."""
        array = self._empty((floats,))
        return array, self._memory(array)
