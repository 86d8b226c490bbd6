"""Batch normalization in CUDA."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array


class BatchNorm(Adapter):
    """The family's functions."""

    def batch_norm(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        running_mean: Array | None,
        running_var: Array | None,
        training: bool,
        momentum: float,
        eps: float,
        unbiased: bool,
        activation: str,
    ) -> tuple[Array, Array]:
        """Return the normalized rows, and of the channels what the gradient needs."""
        rows, C = x.shape
        y, saved = self._empty((rows, C)), self._empty((3, C))
        self._extension.batch_norm(
            rows, C, self._memory(x), self._optional(weight), self._optional(bias),
            self._optional(running_mean), self._optional(running_var), training,
            momentum, eps, unbiased, activation, self._memory(y), self._memory(saved),
            self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return y, saved

    def batch_norm_backward(
        self,
        dy: Array,
        x: Array,
        saved: Array,
        weight: Array | None,
        bias: Array | None,
        training: bool,
        activation: str,
        out: Array | None,
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of x, weight and bias."""
        rows, C = dy.shape
        dx = self._empty((rows, C)) if out is None else out
        dweight, dbias = self._empty((C,)), self._empty((C,))
        self._extension.batch_norm_backward(
            rows, C, self._memory(dy), self._memory(x), self._memory(saved),
            self._optional(weight), self._optional(bias), training, activation,
            self._memory(dx), self._memory(dweight), self._memory(dbias),
            self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return dx, dweight, dbias
