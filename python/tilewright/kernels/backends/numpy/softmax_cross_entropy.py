"""Softmax, its logarithm, and the cross-entropy loss with its gradient."""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array


@quiet
def softmax(x: Array) -> Array:
    """Return ``exp(x) / sum(exp(x))`` of each row."""
    exponentials: Array = np.exp(x - x.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


@quiet
def log_softmax(x: Array) -> Array:
    """Return ``x - log(sum(exp(x)))`` of each row."""
    shifted: Array = x - x.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


@quiet
def softmax_backward(dy: Array, y: Array) -> Array:
    """Return ``y * (dy - sum(dy * y))`` of each row."""
    dx: Array = y * (dy - (dy * y).sum(axis=1, keepdims=True))
    return dx


@quiet
def log_softmax_backward(dy: Array, y: Array) -> Array:
    """Return ``dy - exp(y) * sum(dy)`` of each row."""
    dx: Array = dy - np.exp(y) * dy.sum(axis=1, keepdims=True)
    return dx


@quiet
def softmax_cross_entropy(
    logits: Array,
    labels: Array,
    label_smoothing: float,
    ignore_index: int | None,
    class_weight: Array | None,
    reduction: str,
) -> tuple[Array, Array]:
    """Return the loss and the gradient of the logits.

    The gradient of ``-sum_c q[c] log p[c]`` is ``p * sum(q) - q``; here q is the
    label's share, ``hit``, and with smoothing a share ``rest`` of every class.
    """
    N, C = logits.shape
    counted = np.ones(N, bool) if ignore_index is None else labels != ignore_index
    rows, label = np.arange(N), np.where(counted, labels, 0)
    weight = np.ones(C, logits.dtype) if class_weight is None else class_weight
    weight_of_label = np.where(counted, weight[label], 0)
    hit = (1 - label_smoothing) * weight_of_label
    rest = label_smoothing / C * weight

    log_p = log_softmax(logits)
    loss = -hit * log_p[rows, label]
    dlogits = np.exp(log_p) * (hit + rest.sum())[:, None]
    dlogits[rows, label] -= hit
    if label_smoothing:
        # Not without it: of a class at -infinity it would make 0 * -infinity.
        loss -= log_p @ rest
        dlogits -= rest
    loss[~counted] = 0
    dlogits[~counted] = 0

    if reduction != "none":
        loss = loss.sum()
    if reduction == "mean":
        share = weight_of_label.sum()
        loss = loss / share
        # A mean over no rows: NaN, but without a gradient.
        dlogits = dlogits / share if share else np.zeros_like(dlogits)
    return (
        np.asarray(loss, logits.dtype),
        dlogits.astype(logits.dtype, copy=False),
    )
