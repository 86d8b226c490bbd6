"""Differentiable losses between outputs and targets of the same shape.

A target may be of another dtype than x, such as 0 and 1 as integers: it is taken to
that of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import kernels
from tilewright.autograd import Tensor, watch
from tilewright.autograd.broadcasting import combine
from tilewright.autograd.engine import is_one
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.kernels import checks
from tilewright.nn.types import Array, TensorLike

_REDUCTIONS = ("mean", "sum", "none")


class _ElementwiseLoss(Function):
    # The gradient was made in the forward pass and is kept for a second backward.
    gradient_memory = "shared"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        target: Array,
        *,
        op: str,
        kind: str,
        reduction: str,
        delta: float = 1.0,
    ) -> Array:
        x, target = _pair(op, ctx, x, target, reduction)
        loss, dx = kernels.elementwise_loss(
            x, target, kind, reduction=reduction, delta=delta
        )
        ctx.kind, ctx.mean = kind, reduction == "mean"
        # The losses' slopes by the target are functions of x.
        ctx.save_for_backward(dx, x if ctx.needs_input_grad[1] else None)
        return loss

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        dx, x = ctx.saved
        # Of a loss that backward starts from: the common case, and no pass at all.
        if dy.ndim or not is_one(dy):
            dx = combine("multiply", dx, dy)
        needs_x, needs_target = ctx.needs_input_grad
        dtarget = None
        if not needs_target:
            pass
        elif not ctx.kind.startswith("binary"):  # a function of x - target
            dtarget = combine("multiply", dx, dx.dtype.type(-1))
        else:
            dtarget = combine("multiply", _target_slopes(ctx.kind, x), dy)
            if ctx.mean:
                dtarget = combine("divide", dtarget, dx.dtype.type(dx.size))
        return dx if needs_x else None, dtarget


def _target_slopes(kind: str, x: Array) -> Array:
    """The derivatives of elements' binary cross-entropies by their targets."""
    if kind == "binary_cross_entropy_with_logits":
        return combine("multiply", x, x.dtype.type(-1))
    # The losses are linear in the targets: what they are for 1 without those for 0.
    ones, zeros = np.ones_like(x), np.zeros_like(x)
    watch.keep(ones)
    watch.keep(zeros)
    yes, _ = kernels.elementwise_loss(x, ones, kind, reduction="none")
    no, _ = kernels.elementwise_loss(x, zeros, kind, reduction="none")
    return combine("subtract", yes, no)


def _pair(
    op: str, ctx: Context, x: Any, target: Any, reduction: str
) -> tuple[Array, Array]:
    """Check both arrays, and bring the target to x's dtype."""
    if reduction not in _REDUCTIONS:
        checks.choice(op, "reduction", reduction, _REDUCTIONS)
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
        watch.report(f"a target of {target.dtype.name} for {x.dtype.name}")
        with np.errstate(over="ignore"):
            target = target.astype(x.dtype)
    return x, target


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
    return _ElementwiseLoss.apply(
        x, target, op="mse_loss", kind="squared_error", reduction=reduction
    )


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
    return _ElementwiseLoss.apply(
        x, target, op="l1_loss", kind="absolute_error", reduction=reduction
    )


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
    return _ElementwiseLoss.apply(
        x,
        target,
        op="huber_loss",
        kind="huber",
        reduction=reduction,
        delta=float(delta),
    )


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
    op = "binary_cross_entropy"
    return _ElementwiseLoss.apply(x, target, op=op, kind=op, reduction=reduction)


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
    op = "binary_cross_entropy_with_logits"
    return _ElementwiseLoss.apply(x, target, op=op, kind=op, reduction=reduction)
