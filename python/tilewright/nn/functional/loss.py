"""Differentiable losses between outputs and targets of the same shape.

A target may be of another dtype than x, such as 0 and 1 as integers: it is taken to
that of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.broadcasting import combine, sum_over
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.kernels import checks
from tilewright.nn.types import Array, TensorLike

_REDUCTIONS = ("mean", "sum", "none")


class _MSELoss(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array, target: Array, *, reduction: str) -> Array:
        x, target = _pair("mse_loss", ctx, x, target, reduction)
        with np.errstate(all="ignore"):
            difference = combine("subtract", x, target)
            ctx.save_for_backward(difference)
            return _reduced(combine("multiply", difference, difference), reduction)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        (difference,) = ctx.saved
        scale = combine("multiply", _per_element(ctx, dy, difference), dy.dtype.type(2))
        return _both(ctx, combine("multiply", difference, scale))


class _L1Loss(Function):
    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array, target: Array, *, reduction: str) -> Array:
        x, target = _pair("l1_loss", ctx, x, target, reduction)
        with np.errstate(all="ignore"):
            difference = x - target
            ctx.save_for_backward(difference)
            return _reduced(np.abs(difference), reduction)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        (difference,) = ctx.saved
        return _both(ctx, np.sign(difference) * _per_element(ctx, dy, difference))


class _HuberLoss(Function):
    gradient_memory = "new"

    @staticmethod
    def forward(
        ctx: Context, x: Array, target: Array, *, reduction: str, delta: float
    ) -> Array:
        x, target = _pair("huber_loss", ctx, x, target, reduction)
        ctx.delta = delta
        with np.errstate(all="ignore"):
            difference = x - target
            ctx.save_for_backward(difference)
            size = np.abs(difference)
            near = difference * difference / 2
            far = delta * (size - delta / 2)
            return _reduced(np.where(size <= delta, near, far), reduction)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        (difference,) = ctx.saved
        slope = np.clip(difference, -ctx.delta, ctx.delta)
        return _both(ctx, slope * _per_element(ctx, dy, difference))


class _BinaryCrossEntropy(Function):
    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array, target: Array, *, reduction: str) -> Array:
        op = "binary_cross_entropy"
        x, target = _pair(op, ctx, x, target, reduction)
        if x.size and (x.min() < 0 or x.max() > 1):
            raise ValueError(
                f"{op}: x must be probabilities in [0, 1], got values in "
                f"[{x.min():g}, {x.max():g}]; for logits there is "
                "binary_cross_entropy_with_logits"
            )
        ctx.save_for_backward(x, target)
        with np.errstate(all="ignore"):
            # As in PyTorch, no logarithm is below -100: the loss stays finite.
            yes = np.maximum(np.log(x), -100)
            no = np.maximum(np.log1p(-x), -100)
            return _reduced((target - 1) * no - target * yes, reduction)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        x, target = ctx.saved
        scale = _per_element(ctx, dy, x)
        needs_x, needs_target = ctx.needs_input_grad
        dx = dtarget = None
        if needs_x:
            # The divisor's bound keeps the gradient finite at 0 and 1.
            dx = (x - target) / np.maximum(x * (1 - x), 1e-12) * scale
        if needs_target:
            yes = np.maximum(np.log(x), -100)
            dtarget = (np.maximum(np.log1p(-x), -100) - yes) * scale
        return dx, dtarget


class _BinaryCrossEntropyWithLogits(Function):
    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array, target: Array, *, reduction: str) -> Array:
        op = "binary_cross_entropy_with_logits"
        x, target = _pair(op, ctx, x, target, reduction)
        ctx.save_for_backward(x, target)
        with np.errstate(all="ignore"):
            # log(1 + exp(x)) - x target, written so that exp cannot overflow.
            losses = np.log1p(np.exp(-np.abs(x)))
            losses += np.maximum(x, 0)
            losses -= x * target
            return _reduced(losses, reduction)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        x, target = ctx.saved
        scale = _per_element(ctx, dy, x)
        needs_x, needs_target = ctx.needs_input_grad
        dx = (kernels.activation(x, "sigmoid") - target) * scale if needs_x else None
        return dx, -x * scale if needs_target else None


def _pair(
    op: str, ctx: Context, x: Any, target: Any, reduction: str
) -> tuple[Array, Array]:
    """Check both arrays, and bring the target to x's dtype."""
    if reduction not in _REDUCTIONS:
        checks.choice(op, "reduction", reduction, _REDUCTIONS)
    ctx.mean = reduction == "mean"
    x = checks.floating(op, "x", x, None)
    target = checks.ndarray(op, "target", target)
    if target.shape != x.shape:
        raise ValueError(
            f"{op}: target must have x's shape {x.shape}, got {target.shape}"
        )
    if target.dtype != x.dtype:
        if ctx.needs_input_grad[1]:
            raise TypeError(
                f"{op}: target must be {x.dtype.name} like x where it requires a "
                f"gradient, got {target.dtype.name}"
            )
        if target.dtype.kind not in "biuf":
            raise TypeError(
                f"{op}: target must be of numbers or booleans, got {target.dtype}"
            )
        with np.errstate(over="ignore"):
            target = target.astype(x.dtype)
    return x, target


def _reduced(losses: Array, reduction: str) -> Array:
    if reduction == "none":
        return losses
    total = sum_over(losses, tuple(range(losses.ndim)))
    if reduction == "mean":
        # The mean of nothing is NaN, as in PyTorch, and no warning.
        total = combine("divide", total, total.dtype.type(losses.size))
    return total


def _per_element(ctx: Context, dy: Array, x: Array) -> Array:
    """The gradient of each element's own loss."""
    return combine("divide", dy, dy.dtype.type(x.size)) if ctx.mean else dy


def _both(ctx: Context, dx: Array) -> Gradients:
    """Gradients of a function of ``x - target``."""
    needs_x, needs_target = ctx.needs_input_grad
    opposite = combine("multiply", dx, dx.dtype.type(-1)) if needs_target else None
    return dx if needs_x else None, opposite


def mse_loss(x: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Squares of the differences between x and the target.

    Parameters
    ----------
    x, target : Tensor or ndarray, of one shape
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is over all elements.

    Returns
    -------
    Tensor, shape () or, with "none", that of x

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast) or there is no such reduction.
    TypeError
        If x is of another dtype than float32 or float64, or the target not numeric.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.array([1, 3], np.float32)
    >>> functional.mse_loss(x, np.zeros(2, np.float32)).item()
    5.0
    """
    return _MSELoss.apply(x, target, reduction=reduction)


def l1_loss(x: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Absolute differences between x and the target; the gradient at 0 is 0.

    Parameters
    ----------
    x, target : Tensor or ndarray, of one shape
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is over all elements.

    Returns
    -------
    Tensor, shape () or, with "none", that of x

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast) or there is no such reduction.
    TypeError
        If x is of another dtype than float32 or float64, or the target not numeric.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.array([1, -3], np.float32)
    >>> functional.l1_loss(x, np.zeros(2, np.float32)).item()
    2.0
    """
    return _L1Loss.apply(x, target, reduction=reduction)


def huber_loss(
    x: TensorLike, target: TensorLike, reduction: str = "mean", delta: float = 1.0
) -> Tensor:
    """Half the squares of small differences, and lines where they exceed `delta`.

    With d the difference: ``d**2 / 2`` where ``abs(d) <= delta``, else
    ``delta * (abs(d) - delta / 2)``.

    Parameters
    ----------
    x, target : Tensor or ndarray, of one shape
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is over all elements.
    delta : float, default 1.0

    Returns
    -------
    Tensor, shape () or, with "none", that of x

    Raises
    ------
    ValueError
        If the shapes differ, delta is not above 0, or there is no such reduction.
    TypeError
        If x is of another dtype than float32 or float64, or the target not numeric.

    References
    ----------
    P. J. Huber, "Robust Estimation of a Location Parameter", 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.array([1, 4], np.float32)
    >>> functional.huber_loss(x, np.zeros(2, np.float32)).item()
    2.0
    """
    if not checks.number("huber_loss", "delta", delta):
        raise ValueError(f"huber_loss: delta must be above 0, got {delta}")
    return _HuberLoss.apply(x, target, reduction=reduction, delta=float(delta))


def binary_cross_entropy(
    x: TensorLike, target: TensorLike, reduction: str = "mean"
) -> Tensor:
    """``-(target log x + (1 - target) log(1 - x))`` of probabilities.

    :func:`binary_cross_entropy_with_logits` is exact where a sigmoid before this
    one would round to 0 or 1. Logarithms are bounded by -100, as in PyTorch.

    Parameters
    ----------
    x : Tensor or ndarray
        Each in ``[0, 1]``.
    target : Tensor or ndarray, of x's shape
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is over all elements.

    Returns
    -------
    Tensor, shape () or, with "none", that of x

    Raises
    ------
    ValueError
        If the shapes differ, x is out of range, or there is no such reduction.
    TypeError
        If x is of another dtype than float32 or float64, or the target not numeric.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.array([0.5], np.float32)
    >>> round(functional.binary_cross_entropy(x, np.array([1])).item(), 4)
    0.6931
    """
    return _BinaryCrossEntropy.apply(x, target, reduction=reduction)


def binary_cross_entropy_with_logits(
    x: TensorLike, target: TensorLike, reduction: str = "mean"
) -> Tensor:
    """:func:`binary_cross_entropy` of ``sigmoid(x)``, exact at any x.

    Parameters
    ----------
    x : Tensor or ndarray
        Logits.
    target : Tensor or ndarray, of x's shape
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is over all elements.

    Returns
    -------
    Tensor, shape () or, with "none", that of x

    Raises
    ------
    ValueError
        If the shapes differ or there is no such reduction.
    TypeError
        If x is of another dtype than float32 or float64, or the target not numeric.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.array([-1000], np.float32)
    >>> functional.binary_cross_entropy_with_logits(x, np.array([1])).item()
    1000.0
    """
    return _BinaryCrossEntropyWithLogits.apply(x, target, reduction=reduction)
