"""Softmax, its logarithm, and the cross-entropy loss with its gradient.

All subtract each row's maximum first and so hold at any finite logits. The loss
returns its gradient in the same pass: both need the same exponentials. Smoothing,
class weights and reductions follow PyTorch's ``cross_entropy``. Reference for label
smoothing: C. Szegedy et al., "Rethinking the Inception Architecture for Computer
Vision", 2015, https://arxiv.org/abs/1512.00567, section 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import Array, FloatArray
from tilewright.kernels.device_arrays import on_device

REDUCTIONS = ("mean", "sum", "none")


def softmax(x: FloatArray, axis: int = -1) -> FloatArray:
    """Return ``exp(x) / sum(exp(x))`` along an axis.

    Parameters
    ----------
    x
        Of any shape; the axis must not be empty.
    axis
        Along which the results sum to 1.

    Returns
    -------
    Of x's shape.

    Raises
    ------
    ValueError
        If x has no such axis, or it is empty.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.zeros((1, 4), np.float32))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """
    x = checks.floating("softmax", "x", x, None)
    rows, axis = _rows("softmax", "x", x, axis)
    y = dispatch.for_array("softmax", x).softmax(rows)
    return _restored(y, x, axis)


def log_softmax(x: FloatArray, axis: int = -1) -> FloatArray:
    """Return ``x - log(sum(exp(x)))`` along an axis.

    Parameters
    ----------
    x
        Of any shape; the axis must not be empty.
    axis
        Along which the results' exponentials sum to 1.

    Returns
    -------
    Of x's shape.

    Raises
    ------
    ValueError
        If x has no such axis, or it is empty.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> log_softmax(np.array([[0.0, 1e4]], np.float32))
    array([[-10000.,      0.]], dtype=float32)
    """
    x = checks.floating("log_softmax", "x", x, None)
    rows, axis = _rows("log_softmax", "x", x, axis)
    y = dispatch.for_array("log_softmax", x).log_softmax(rows)
    return _restored(y, x, axis)


def softmax_backward(dy: FloatArray, y: FloatArray, axis: int = -1) -> FloatArray:
    """Return the gradient of :func:`softmax` with respect to x.

    Parameters
    ----------
    dy
        The gradient of the result.
    y
        The result itself, of dy's shape.
    axis
        As in the forward call.

    Returns
    -------
    ``y * (dy - sum(dy * y))``, of dy's shape.

    Raises
    ------
    ValueError
        If shapes differ, or there is no such axis, or it is empty.
    TypeError
        If dy is not float32 (float64 on the numpy backend), or y not like it.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.full((1, 2), 0.5, np.float32)
    >>> softmax_backward(np.array([[1, 0]], np.float32), y)
    array([[ 0.25, -0.25]], dtype=float32)
    """
    op = "softmax_backward"
    dy = checks.floating(op, "dy", dy, None)
    y = checks.like(op, "y", y, dy.shape, "dy", dy)
    rows, axis = _rows(op, "dy", dy, axis)
    saved, axis = _rows(op, "y", y, axis)
    dx = dispatch.for_array(op, dy).softmax_backward(rows, saved)
    return _restored(dx, dy, axis)


def log_softmax_backward(dy: FloatArray, y: FloatArray, axis: int = -1) -> FloatArray:
    """Return the gradient of :func:`log_softmax` with respect to x.

    Parameters
    ----------
    dy
        The gradient of the result.
    y
        The result itself, of dy's shape.
    axis
        As in the forward call.

    Returns
    -------
    ``dy - exp(y) * sum(dy)``, of dy's shape.

    Raises
    ------
    ValueError
        If shapes differ, or there is no such axis, or it is empty.
    TypeError
        If dy is not float32 (float64 on the numpy backend), or y not like it.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.log(np.full((1, 2), 0.5, np.float32))
    >>> log_softmax_backward(np.array([[1, 0]], np.float32), y)
    array([[ 0.5, -0.5]], dtype=float32)
    """
    op = "log_softmax_backward"
    dy = checks.floating(op, "dy", dy, None)
    y = checks.like(op, "y", y, dy.shape, "dy", dy)
    rows, axis = _rows(op, "dy", dy, axis)
    saved, axis = _rows(op, "y", y, axis)
    dx = dispatch.for_array(op, dy).log_softmax_backward(rows, saved)
    return _restored(dx, dy, axis)


def softmax_cross_entropy(
    logits: FloatArray,
    labels: Array,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    class_weight: FloatArray | None = None,
    reduction: str = "mean",
) -> tuple[FloatArray, FloatArray]:
    """Return the cross-entropy of softmax(logits) and labels, and its gradient.

    With p = softmax(logits), weights w (1 without ``class_weight``), smoothing s and
    C classes, a row of label t has the loss
    ``-(1 - s) w[t] log p[t] - s / C sum_c w[c] log p[c]``.

    Parameters
    ----------
    logits
        ``(N, C)``.
    labels
        ``(N,)`` of int32 or int64, each in ``[0, C)`` or equal to ``ignore_index``.
        CuPy's are not looked at beforehand, which would wait for the GPU: the row of
        a label out of range has the loss NaN and no gradient.
    label_smoothing
        In ``[0, 1]``.
    ignore_index
        Rows of this label have no loss, no gradient, and no share in the mean.
    class_weight
        ``(C,)``: w.
    reduction
        ``"mean"``: the sum of the rows' losses over the sum of their w[t] (over
        the number of rows, without ``class_weight``); ``"sum"``; ``"none"``.

    Returns
    -------
    loss
        0-dimensional, or ``(N,)`` with ``reduction="none"``. The mean over no rows
        at all (N = 0, or all of them ignored) is NaN, its gradient 0.
    dlogits
        ``(N, C)``: the gradient of the loss; with ``"none"``, of each row's own.

    Raises
    ------
    ValueError
        If shapes do not agree or a label is out of range.
    TypeError
        If logits are not float32 (float64 on the numpy backend), class_weight not
        like them, or labels not int32 or int64.

    Examples
    --------
    >>> import numpy as np
    >>> logits = np.zeros((1, 2), np.float32)
    >>> loss, dlogits = softmax_cross_entropy(logits, np.array([1]))
    >>> round(float(loss), 4), dlogits
    (0.6931, array([[ 0.5, -0.5]], dtype=float32))
    """
    op = "softmax_cross_entropy"
    logits = checks.floating(op, "logits", logits, 2)
    N, C = logits.shape
    if C < 1:
        raise ValueError(f"{op}: logits have 0 classes (logits: {logits.shape})")
    if ignore_index is not None:
        ignore_index = checks.integer(op, "ignore_index", ignore_index, -(2**63))
    labels = class_labels(op, labels, N, C, ignore_index)
    checks.same_memory(op, "labels", labels, "logits", logits)
    if label_smoothing:
        label_smoothing = checks.number(
            op, "label_smoothing", label_smoothing, 0.0, 1.0
        )
    if class_weight is not None:
        class_weight = checks.like(
            op, "class_weight", class_weight, (C,), "logits", logits
        )
    if reduction not in REDUCTIONS:
        checks.choice(op, "reduction", reduction, REDUCTIONS)
    return dispatch.for_array(op, logits).softmax_cross_entropy(
        logits,
        labels,
        float(label_smoothing),
        ignore_index,
        class_weight,
        reduction,
    )


def class_labels(
    op: str, labels: Any, N: int, C: int, ignore_index: int | None
) -> Array:
    """Return N labels as int64; ValueError or TypeError where they are none."""
    plain = checks.ndarray(op, "labels", labels)
    if plain.dtype not in (np.int64, np.int32) or not plain.dtype.isnative:
        raise TypeError(f"{op}: labels must be int32 or int64, got {plain.dtype}")
    if plain.shape != (N,):
        raise ValueError(f"{op}: labels must have shape {(N,)}, got {plain.shape}")
    plain = checks.c_order(plain.astype(np.int64, copy=False))
    if on_device(plain):
        return plain  # to look at them would wait for the GPU: see the backend
    # One pass for both ends: a negative label is a huge unsigned one.
    if N and plain.view(np.uint64).max() >= C:
        wrong = (plain < 0) | (plain >= C)
        allowed = f"[0, {C})"
        if ignore_index is not None:
            wrong &= plain != ignore_index
            allowed += f" or {ignore_index}, the ignore_index"
        if wrong.any():
            first = int(wrong.argmax())
            raise ValueError(
                f"{op}: labels must be in {allowed}, "
                f"got {int(plain[first])} at position {first}"
            )
    return plain


def _rows(op: str, name: str, value: Array, axis: Any) -> tuple[Array, int]:
    """Return a matrix whose rows lie along the axis, and the axis counted from 0."""
    ndim = value.ndim
    if ndim == 0:
        raise ValueError(f"{op}: {name} must have at least 1 dimension, got 0")
    if axis != -1:
        axis = checks.integer(op, "axis", axis, -(2**31))
        if not -ndim <= axis < ndim:
            raise ValueError(
                f"{op}: axis must be in [{-ndim}, {ndim}) for {name} of shape "
                f"{value.shape}, got {axis}"
            )
    axis %= ndim
    length = value.shape[axis]
    if length < 1:
        raise ValueError(f"{op}: axis {axis} of {name} is empty ({value.shape})")
    if axis != ndim - 1:
        value = checks.c_order(np.moveaxis(value, axis, -1))
    return (value if ndim == 2 else value.reshape(value.size // length, length)), axis


def _restored(result: Array, like: Array, axis: int) -> Array:
    ndim = like.ndim
    if axis == ndim - 1:
        return result if ndim == 2 else result.reshape(like.shape)
    moved = (*like.shape[:axis], *like.shape[axis + 1 :], like.shape[axis])
    return checks.c_order(np.moveaxis(result.reshape(moved), -1, axis))
