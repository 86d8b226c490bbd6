"""Losses of elements in CUDA."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array


class ElementwiseLoss(Adapter):
    """The family's function."""

    def elementwise_loss(
        self, x: Array, target: Array, kind: str, reduction: str, delta: float
    ) -> tuple[Array, Array]:
        """Return the loss and the gradient of x."""
        loss = self._empty(x.shape if reduction == "none" else ())
        dx = self._empty(x.shape)
        self._extension.elementwise_loss(
            x.size, self._memory(x), self._memory(target), kind, reduction, delta,
            self._memory(loss), self._memory(dx), self._allocate,
            self._arrays.stream(),
        )  # fmt: skip
        return loss, dx
