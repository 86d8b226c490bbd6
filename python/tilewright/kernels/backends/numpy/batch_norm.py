"""Batch normalization; sums over the rows are taken in float64."""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array


@quiet
def batch_norm(
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
    if training:
        mean = x.mean(axis=0, dtype=np.float64)
        variance = np.square(x - mean).mean(axis=0)
        if running_mean is not None and running_var is not None:
            rows = len(x)
            spread = rows / (rows - 1) if unbiased else 1.0
            running_mean += momentum * (mean - running_mean)
            running_var += momentum * (variance * spread - running_var)
    else:
        assert running_mean is not None and running_var is not None
        mean, variance = running_mean.astype(np.float64), running_var
    rounded = mean.astype(x.dtype)
    saved = np.array([rounded, mean - rounded, 1 / np.sqrt(variance + eps)], x.dtype)
    y = _affine(x, saved, weight, bias)
    if activation == "relu":
        np.maximum(y, 0, out=y)  # passes NaN
    return y, saved


@quiet
def batch_norm_backward(
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
    if activation == "relu":
        dy = np.where(_affine(x, saved, weight, bias) <= 0, 0, dy)  # NaN passes
    mean, left, root = saved
    normalized = (x - mean - left) * root
    dweight = (dy * normalized).sum(axis=0, dtype=np.float64).astype(x.dtype)
    dbias = dy.sum(axis=0, dtype=np.float64).astype(x.dtype)
    dx = dy
    if training:
        # Mean and variance depend on x as well.
        dx = dy - (dbias + normalized * dweight) / max(len(x), 1)
    dx = dx * (root if weight is None else root * weight)
    if out is None:
        return dx, dweight, dbias
    np.copyto(out, dx)
    return out, dweight, dbias


def _affine(x: Array, saved: Array, weight: Array | None, bias: Array | None) -> Array:
    mean, left, root = saved
    scale = root if weight is None else root * weight
    shift = -left * scale if bias is None else bias - left * scale
    y: Array = (x - mean) * scale + shift
    return y
