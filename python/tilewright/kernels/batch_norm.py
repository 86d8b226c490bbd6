"""Batch normalization: each channel with mean 0 and variance 1, scaled and shifted.

Reference: S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network
Training by Reducing Internal Covariate Shift", 2015, https://arxiv.org/abs/1502.03167.
"""

from __future__ import annotations

from typing import Any

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import Array, FloatArray
from tilewright.kernels.device_arrays import may_share_memory

ACTIVATIONS = ("none", "relu")


def batch_norm(
    x: FloatArray,
    weight: FloatArray | None = None,
    bias: FloatArray | None = None,
    *,
    running_mean: FloatArray | None = None,
    running_var: FloatArray | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    unbiased: bool = True,
    activation: str = "none",
) -> tuple[FloatArray, FloatArray]:
    """Return ``(x - mean) / sqrt(variance + eps) * weight + bias``, then an activation.

    Parameters
    ----------
    x
        ``(..., C)``: images (N, H, W, C), sequences (N, T, C) or rows (N, C).
    weight, bias
        ``(C,)``; without them 1 and 0.
    running_mean, running_var
        ``(C,)``, both or none. In training they move towards mean and variance of the
        batch by ``momentum``, in place; in evaluation they are the mean and variance.
    training
        Whether mean and variance are those of x over all axes but the last; the
        variance over the number of values, not over one less.
    momentum
        In ``[0, 1]``.
    eps
        At least 0.
    unbiased
        Whether the running variance is the estimate over one value less, as in
        PyTorch, and not the batch's own, as in Keras.
    activation
        ``"none"`` or ``"relu"``.

    Returns
    -------
    y
        Of x's shape.
    saved
        ``(3, C)``, for :func:`batch_norm_backward`: the mean, what its rounding left
        over, and ``1 / sqrt(variance + eps)``.

    Raises
    ------
    ValueError
        If shapes do not agree, there is one value a channel in training, there are no
        running arrays in evaluation or they cannot be written in training, or a number
        is out of range.
    TypeError
        If x is not float32 (float64 on the numpy backend), or another array not like
        it.

    Examples
    --------
    >>> import numpy as np
    >>> y, saved = batch_norm(np.array([[1, 10], [3, 30]], np.float32), eps=0)
    >>> y
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> saved
    array([[ 2. , 20. ],
           [ 0. ,  0. ],
           [ 1. ,  0.1]], dtype=float32)
    """
    op = "batch_norm"
    x = _rows_of_channels(op, "x", x)
    C = x.shape[-1]
    weight, bias = _scale(op, x, weight, bias)
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{op}: running_mean and running_var must be given together")
    if running_mean is not None:
        given = [("x", x), ("weight", weight), ("bias", bias)]
        running_mean = _running(op, "running_mean", running_mean, x, training, given)
        given.append(("running_mean", running_mean))
        running_var = _running(op, "running_var", running_var, x, training, given)
    elif not training:
        raise ValueError(f"{op}: evaluation needs running_mean and running_var")
    if training and x.size <= C:
        raise ValueError(
            f"{op}: x must have more than 1 value a channel in training, got shape "
            f"{x.shape}"
        )
    momentum = checks.number(op, "momentum", momentum, 0.0, 1.0)
    eps = checks.number(op, "eps", eps)
    if activation not in ACTIVATIONS:
        checks.choice(op, "activation", activation, ACTIVATIONS)
    y, saved = dispatch.for_array(op, x).batch_norm(
        _matrix(x), weight, bias, running_mean, running_var, bool(training), momentum,
        eps, bool(unbiased), activation,
    )  # fmt: skip
    return y.reshape(x.shape), saved


def batch_norm_backward(
    dy: FloatArray,
    x: FloatArray,
    saved: FloatArray,
    weight: FloatArray | None = None,
    bias: FloatArray | None = None,
    *,
    training: bool = True,
    activation: str = "none",
    out: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the gradients of :func:`batch_norm` with respect to x, weight and bias.

    Parameters
    ----------
    dy
        ``(..., C)``: the gradient of the result.
    x, weight, bias, training, activation
        As in the forward call. The bias matters with ``"relu"`` alone: where relu let
        nothing through is found again from x.
    saved
        ``(3, C)``: what the forward call returned.
    out
        Of dy's shape: receives the gradient of x and is returned. May be dy itself.

    Returns
    -------
    dx
        Of dy's shape.
    dweight, dbias
        ``(C,)``

    Raises
    ------
    ValueError
        If shapes do not agree, or out cannot be written.
    TypeError
        If dy is not float32 (float64 on the numpy backend), or another array not like
        it.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1], [2], [6]], np.float32)
    >>> _, saved = batch_norm(x)
    >>> dx, dweight, dbias = batch_norm_backward(np.ones_like(x), x, saved)
    >>> bool(abs(dx).max() < 1e-6), dbias
    (True, array([3.], dtype=float32))
    """
    op = "batch_norm_backward"
    given = [("dy", None if out is dy else dy), ("x", x), ("saved", saved)]
    given += [("weight", weight), ("bias", bias)]
    dy = _rows_of_channels(op, "dy", dy)
    C = dy.shape[-1]
    x = checks.like(op, "x", x, dy.shape, "dy", dy)
    saved = checks.like(op, "saved", saved, (3, C), "dy", dy)
    weight, bias = _scale(op, dy, weight, bias, "dy")
    if activation not in ACTIVATIONS:
        checks.choice(op, "activation", activation, ACTIVATIONS)
    if out is not None:
        out = checks.output(op, out, dy.shape, dy.dtype, given)
    dx, dweight, dbias = dispatch.for_array(op, dy).batch_norm_backward(
        _matrix(dy), _matrix(x), saved, weight, bias, bool(training), activation,
        None if out is None else _matrix(out),
    )  # fmt: skip
    return dx.reshape(dy.shape) if out is None else out, dweight, dbias


def _rows_of_channels(op: str, name: str, value: Any) -> Array:
    array = checks.floating(op, name, value, None)
    if array.ndim < 2:
        raise ValueError(
            f"{op}: {name} must have at least 2 dimensions, (..., C), got {array.ndim} "
            f"(shape {array.shape})"
        )
    return array


def _matrix(array: Array) -> Array:
    """Return the array as rows of channels, in the same memory."""
    if array.ndim == 2:
        return array
    C = array.shape[-1]
    return array.reshape(array.size // C if C else 0, C)


def _scale(
    op: str, like: Array, weight: Any, bias: Any, name: str = "x"
) -> tuple[Array | None, Array | None]:
    C = like.shape[-1]
    if weight is not None:
        weight = checks.like(op, "weight", weight, (C,), name, like)
    if bias is not None:
        bias = checks.like(op, "bias", bias, (C,), name, like)
    return weight, bias


def _running(
    op: str,
    name: str,
    value: Any,
    x: Array,
    training: bool,
    others: list[tuple[str, Any]],
) -> Array:
    """Return an array that is read in evaluation and written in training."""
    array = checks.like(op, name, value, x.shape[-1:], "x", x)
    if not training:
        return array
    array = checks.writeable(op, name, value, x.shape[-1:], x.dtype)
    for other, memory in others:
        if memory is not None and may_share_memory(array, memory):
            raise ValueError(f"{op}: {name} must not share memory with {other}")
    return array
