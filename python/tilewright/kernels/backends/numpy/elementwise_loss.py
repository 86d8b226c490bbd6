"""Losses of elements and their gradients."""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array

# No logarithm is below the one, as in PyTorch, and no slope is divided by less than
# the other: both stay finite at the probabilities 0 and 1.
LEAST_LOGARITHM = -100.0
LEAST_VARIANCE = 1e-12


@quiet
def elementwise_loss(
    x: Array, target: Array, kind: str, reduction: str, delta: float
) -> tuple[Array, Array]:
    """Return the loss and the gradient of x; the sum is taken in float64."""
    losses, slopes = _each(x, target, kind, delta)
    if reduction == "none":
        return np.asarray(losses), np.asarray(slopes)
    total = np.sum(losses, dtype=np.float64)
    if reduction == "mean":
        total, slopes = total / np.float64(x.size), slopes / x.size
    return np.asarray(total, x.dtype), np.asarray(slopes)


def _each(x: Array, target: Array, kind: str, delta: float) -> tuple[Array, Array]:
    """Return the losses of the elements and their slopes."""
    if kind == "binary_cross_entropy":
        yes = np.maximum(np.log(x), LEAST_LOGARITHM)
        no = np.maximum(np.log1p(-x), LEAST_LOGARITHM)
        variance = np.maximum(x * (1 - x), LEAST_VARIANCE)
        return (target - 1) * no - target * yes, (x - target) / variance
    if kind == "binary_cross_entropy_with_logits":
        # log(1 + exp(x)) - x target, written so that exp cannot overflow.
        e = np.exp(-np.abs(x))
        losses = np.maximum(x, 0) - x * target + np.log1p(e)
        # sigmoid(x) - target, without the digits that this loses where both are near 1.
        yes, no = (
            np.where(x < 0, e, np.ones_like(e)),
            np.where(x < 0, np.ones_like(e), e),
        )
        return losses, ((1 - target) * yes - target * no) / (1 + e)
    d = x - target
    size = np.abs(d)
    if kind == "squared_error":
        return d * d, 2 * d
    if kind == "absolute_error":
        return size, np.sign(d)
    far = delta * (size - delta / 2)
    return np.where(size <= delta, d * d / 2, far), np.clip(d, -delta, delta)
