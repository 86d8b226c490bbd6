"""Limits on gradients."""

from __future__ import annotations

import math

import numpy as np

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array


@quiet
def clip_by_norm(grads: list[Array], max_norm: float) -> float:
    """Scale all so that their norm, taken in float64, is at most max_norm."""
    squares = [np.sum(np.square(grad, dtype=np.float64)) for grad in grads]
    norm = math.sqrt(sum(map(float, squares)))
    scale = max_norm / (norm + 1e-6)
    if scale < 1 and math.isfinite(norm):
        for grad in grads:
            np.multiply(grad, grad.dtype.type(scale), out=grad)
    return norm


@quiet
def clip_by_value(grads: list[Array], limit: float) -> None:
    """Limit each element."""
    for grad in grads:
        np.clip(grad, -limit, limit, out=grad)
