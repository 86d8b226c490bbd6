"""Limits on gradients in CUDA: a launch or three for all of them."""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array

FLOAT64 = np.dtype(np.float64)


class GradientClipping(Adapter):
    """The family's functions."""

    def clip_by_norm(self, grads: list[Array], max_norm: float) -> Array:
        """Scale all so that their norm is at most max_norm."""
        norm = self._arrays.empty((), FLOAT64)
        self._extension.clip_by_norm(
            [grad.size for grad in grads], [self._memory(grad) for grad in grads],
            max_norm, self._memory(norm), self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return norm

    def clip_by_value(self, grads: list[Array], limit: float) -> None:
        """Limit each element."""
        self._extension.clip_by_value(
            [grad.size for grad in grads], [self._memory(grad) for grad in grads],
            limit, self._arrays.stream(),
        )  # fmt: skip
