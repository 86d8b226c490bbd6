"""Activations, dropout, sums over axes, arithmetic and copies in CUDA."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tilewright.kernels import capturing
from tilewright.kernels.backends.device.arrays import Adapter, Memory
from tilewright.kernels.backends.protocol import Array, Shape

# The memory that an array spans, its first element's number in it, and strides.
Strided: TypeAlias = tuple[Memory, int, list[int]]


class Elementwise(Adapter):
    """The family's functions."""

    def activation(
        self, x: Array, kind: str, negative_slope: float, out: Array | None
    ) -> Array:
        """Return an activation of each element."""
        y = self._empty(x.shape) if out is None else out
        self._extension.activation(
            x.size, self._memory(x), kind, negative_slope, self._memory(y),
            self._arrays.stream(),
        )  # fmt: skip
        return y

    def activation_backward(
        self,
        dy: Array,
        saved: Array,
        kind: str,
        negative_slope: float,
        out: Array | None,
    ) -> Array:
        """Return the gradient of x from the saved result, or for gelu the saved x."""
        dx = self._empty(dy.shape) if out is None else out
        self._extension.activation_backward(
            dy.size, self._memory(dy), self._memory(saved), kind, negative_slope,
            self._memory(dx), self._arrays.stream(),
        )  # fmt: skip
        return dx

    def dropout(self, x: Array, p: float, seed: int, offset: int) -> Array:
        """Return x with elements dropped by the numbers of Philox, the rest scaled."""
        y = self._empty(x.shape)
        if capturing.current is None:
            self._extension.dropout(
                x.size, self._memory(x), p, seed, offset, self._memory(y),
                self._arrays.stream(),
            )  # fmt: skip
            return y
        key = capturing.current.dropout_key(x.size, seed, offset)
        self._extension.dropout_from(
            x.size, self._memory(x), p, self._memory(key), self._memory(y),
            self._arrays.stream(),
        )  # fmt: skip
        return y

    def bias_gradient(self, dy: Array) -> Array:
        """Return the sum of the rows."""
        sums: Array = self.axis_sum(dy.reshape(1, *dy.shape))[0]
        return sums

    def axis_sum(self, x: Array) -> Array:
        """Return the sum over the middle one of three axes."""
        before, rows, after = x.shape
        sums = self._empty((before, after))
        self._extension.axis_sum(
            before, rows, after, self._memory(x), self._memory(sums), self._allocate,
            self._arrays.stream(),
        )  # fmt: skip
        return sums

    def arithmetic(
        self, a: Array | float, b: Array | float, kind: str, out: Array | None
    ) -> Array:
        """Return one of the four operations, of shapes that broadcast."""
        shapes = [x.shape for x in (a, b) if not isinstance(x, float)]
        shape = np.broadcast_shapes(*shapes)
        y = self._empty(shape) if out is None else out
        if y.size:
            left, right = (
                x if isinstance(x, float) else self._strided(x, shape) for x in (a, b)
            )
            self._extension.arithmetic(
                kind, shape, left, right, self._memory(y), self._arrays.stream()
            )
        return y

    def copy(self, x: Array, out: Array | None) -> Array:
        """Return a copy in C order, or in ``out``."""
        y = self._empty(x.shape) if out is None else out
        self._copy_into(x, y)
        return y

    def concatenate(self, arrays: list[Array], axis: int) -> Array:
        """Return arrays joined along an axis."""
        shape = list(arrays[0].shape)
        shape[axis] = sum(x.shape[axis] for x in arrays)
        y = self._empty(tuple(shape))
        begin = 0
        for x in arrays:
            end = begin + x.shape[axis]
            self._copy_into(x, y[(slice(None),) * axis + (slice(begin, end),)])
            begin = end
        return y

    def _copy_into(self, x: Array, y: Array) -> None:
        if not x.size:
            return
        if any(stride % x.itemsize for stride in x.strides) or (
            self._memory(x)[0] % x.itemsize
        ):
            x = x.copy(order="C")  # no kernel reads misaligned numbers
        self._extension.strided_copy(
            x.shape, self._strided(x, x.shape), self._strided(y, x.shape),
            self._arrays.stream(),
        )  # fmt: skip

    def _strided(self, x: Array, shape: Shape) -> Strided:
        """Return where an array lies, repeated to a shape, in the extension's form."""
        missing = len(shape) - x.ndim
        strides = [0] * missing
        low = high = 0
        for extent, stride in zip(x.shape, x.strides, strict=True):
            step = stride // x.itemsize if extent > 1 else 0
            strides.append(step)
            low += min(0, (extent - 1) * step)
            high += max(0, (extent - 1) * step)
        begin = self._memory(x)[0] + low * x.itemsize
        return (begin, (high - low + 1) * x.itemsize), -low, strides
