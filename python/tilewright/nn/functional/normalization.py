"""Differentiable batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.kernels import checks
from tilewright.kernels.device_arrays import is_array
from tilewright.nn.types import Array, TensorLike


class _BatchNorm(Function):
    gradient_memory = "new"

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        *,
        running: tuple[Array, Array] | None,
        training: bool,
        momentum: float,
        eps: float,
        unbiased: bool,
    ) -> Array:
        x = checks.floating("batch_norm", "x", x, None)
        _check(x, weight, bias, running, training)
        rows = x.size // x.shape[-1]
        with np.errstate(all="ignore"):
            if training:
                # Sums by the kernel: in blocks, the same at any number of threads.
                mean = kernels.bias_gradient(x) / rows
                normalized = x - mean
                variance = kernels.bias_gradient(normalized * normalized) / rows
                if running is not None:
                    spread = rows / (rows - 1) if unbiased else 1.0
                    for kept, new in zip(
                        running, (mean, variance * spread), strict=True
                    ):
                        kept += momentum * (new - kept)
            else:
                assert running is not None
                mean, variance = (kept.astype(x.dtype) for kept in running)
                normalized = x - mean
            scale = 1 / np.sqrt(variance + eps)
            normalized *= scale
            y: Array = normalized * weight if weight is not None else normalized.copy()
            if bias is not None:
                y += bias
        ctx.training = training
        ctx.rows = rows
        ctx.save_for_backward(normalized, scale, weight)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        normalized, scale, weight = ctx.saved
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        dweight = dbias = dx = None
        if needs_weight or (needs_x and ctx.training):
            dweight = kernels.bias_gradient(dy * normalized)
        if needs_bias or (needs_x and ctx.training):
            dbias = kernels.bias_gradient(dy)
        if needs_x:
            dx = dy
            if ctx.training:
                # Mean and variance depend on x as well.
                dx = dy - (dbias + normalized * dweight) / ctx.rows
            dx = dx * (scale if weight is None else scale * weight)
        return dx, dweight if needs_weight else None, dbias if needs_bias else None


def batch_norm(
    x: TensorLike,
    running_mean: Array | None,
    running_var: Array | None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    unbiased: bool = True,
) -> Tensor:
    """Each channel with mean 0 and variance 1, then times `weight` plus `bias`.

    Parameters
    ----------
    x : Tensor or ndarray, shape (..., C)
        Images (N, H, W, C), sequences (N, T, C) or rows (N, C).
    running_mean, running_var : ndarray, shape (C,), or None
        What is used in evaluation; in training they move towards the batch's by
        `momentum`, in place.
    weight, bias : Tensor or ndarray, shape (C,), optional
    training : bool, default False
        Whether mean and variance are those of the batch.
    momentum : float, default 0.1
    eps : float, default 1e-5
        Added to the variance.
    unbiased : bool, default True
        Whether the running variance is the estimate over ``rows - 1``, as in
        PyTorch, and not over ``rows``, as in Keras.

    Returns
    -------
    Tensor, of x's shape

    Raises
    ------
    ValueError
        If shapes do not agree, there is one value a channel in training, or there
        are no running statistics in evaluation.
    TypeError
        If an array is of another dtype than float32 or float64.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization", 2015,
    https://arxiv.org/abs/1502.03167.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.array([[1, 10], [3, 30]], np.float32)
    >>> functional.batch_norm(x, None, None, training=True, eps=0.0)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """
    running = None
    if running_mean is not None and running_var is not None:
        running = (running_mean, running_var)
    return _BatchNorm.apply(
        x,
        weight,
        bias,
        running=running,
        training=training,
        momentum=checks.number("batch_norm", "momentum", momentum, 0.0, 1.0),
        eps=checks.number("batch_norm", "eps", eps),
        unbiased=unbiased,
    )


def _check(x: Array, weight: Any, bias: Any, running: Any, training: bool) -> None:
    op = "batch_norm"
    if x.ndim < 2:
        raise ValueError(
            f"{op}: x must have at least 2 dimensions, (..., C), got {x.ndim} "
            f"(shape {x.shape})"
        )
    C = x.shape[-1]
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            checks.like(op, name, value, (C,), "x", x)
    for name, value in zip(
        ("running_mean", "running_var"), running or (), strict=False
    ):
        if not is_array(value) or value.shape != (C,):
            raise ValueError(
                f"{op}: {name} must be an array of shape {(C,)} for x of shape "
                f"{x.shape}, got {getattr(value, 'shape', type(value).__name__)}"
            )
    if training and x.size <= C:
        raise ValueError(
            f"{op}: x must have more than 1 value a channel in training, got shape "
            f"{x.shape}"
        )
    if not training and running is None:
        raise ValueError(f"{op}: evaluation needs running_mean and running_var")
