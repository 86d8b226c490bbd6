"""Activations, dropout and the gradient of a bias in CUDA."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array


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
        self._extension.dropout(
            x.size, self._memory(x), p, seed, offset, self._memory(y),
            self._arrays.stream(),
        )  # fmt: skip
        return y

    def bias_gradient(self, dy: Array) -> Array:
        """Return the sum of the rows."""
        rows, K = dy.shape
        dbias = self._empty((K,))
        self._extension.bias_gradient(
            rows, K, self._memory(dy), self._memory(dbias), self._allocate,
            self._arrays.stream(),
        )  # fmt: skip
        return dbias
