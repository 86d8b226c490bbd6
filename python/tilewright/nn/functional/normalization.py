"""Differentiable batch normalization."""

from __future__ import annotations

from typing import Any

from tilewright import kernels
from tilewright.autograd import Tensor, watch
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.nn.types import Array, TensorLike


class _BatchNorm(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        *,
        running: tuple[Array, Array] | None,
        training: bool,
        activation: str,
        **options: Any,
    ) -> Array:
        kept = _like(running, x)
        y, saved = kernels.batch_norm(
            x,
            weight,
            bias,
            running_mean=kept[0],
            running_var=kept[1],
            training=training,
            activation=activation,
            **options,
        )
        if training and running is not None:
            for array, moved in zip(running, kept, strict=True):
                watch.changes(array)
                if moved is not array:
                    array[...] = moved
        ctx.training = training
        ctx.activation = activation
        # Where relu let nothing through is found again from x.
        ctx.save_for_backward(x, saved, weight, bias if activation != "none" else None)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        x, saved, weight, bias = ctx.saved
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        dx, dweight, dbias = kernels.batch_norm_backward(
            dy,
            x,
            saved,
            weight,
            bias,
            training=ctx.training,
            activation=ctx.activation,
            out=ctx.scratch(dy),
        )
        return (
            dx if needs_x else None,
            dweight if needs_weight else None,
            dbias if needs_bias else None,
        )


def _like(
    running: tuple[Array, Array] | None, x: Array
) -> tuple[Array, Array] | tuple[None, None]:
    """Running arrays in x's dtype, where they are of another one."""
    if running is None:
        return None, None
    mean, variance = (
        array.astype(x.dtype) if _other_floats(array, x) else array for array in running
    )
    return mean, variance


def _other_floats(array: Any, x: Array) -> bool:
    dtype = getattr(array, "dtype", x.dtype)
    return bool(dtype.kind == "f" and dtype != x.dtype)


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
    activation: str = "none",
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
    activation : str, default "none"
        Or ``"relu"``, in the same passes over memory.

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
        momentum=momentum,
        eps=eps,
        unbiased=unbiased,
        activation=activation,
    )
