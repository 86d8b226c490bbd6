"""Functions of whole axes: sum, mean, max, min, var."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import axes
from tilewright.autograd.arrays import boxed
from tilewright.autograd.broadcasting import FLOAT32, argument_shape, combine, sum_over
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.autograd.pointwise import astype
from tilewright.autograd.tensor import Axes, Tensor

Array: TypeAlias = NDArray[Any]
_AxisTuple: TypeAlias = tuple[int, ...]


def _total(x: Array, over: _AxisTuple, keepdims: bool) -> Array:
    total = sum_over(x, over)
    if not keepdims:
        return total
    return total.reshape([1 if a in over else n for a, n in enumerate(x.shape)])


def _spread(values: Array, shape: tuple[int, ...], over: _AxisTuple) -> Array:
    """Repeat values along the axes that were reduced away, as a view."""
    kept = tuple(1 if axis in over else size for axis, size in enumerate(shape))
    return np.broadcast_to(values.reshape(kept), shape)


def _floats(x: Tensor) -> Tensor:
    return x if x._data.dtype.kind == "f" else astype(x, FLOAT32)


def sum(x: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Return the sum over axes.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        All axes by default.
    keepdims : bool, default False
        Keep them with extent 1.

    Returns
    -------
    Tensor
        Integers and booleans are summed as int64.

    Raises
    ------
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0)
    tensor([4., 6.])
    """
    over = axes.several("sum", axis, x._data.ndim)
    return Sum.apply(x, axis=over, keepdims=keepdims)


class Sum(Function):
    """The sum over axes."""

    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, axis: _AxisTuple, keepdims: bool) -> Array:
        """Add up."""
        ctx.axis = axis
        return _total(x, axis, keepdims)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient to each that was added."""
        return _spread(dy, argument_shape(ctx.edges[0]), ctx.axis)


def mean(x: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Return the mean over axes.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        All axes by default.
    keepdims : bool, default False
        Keep them with extent 1.

    Returns
    -------
    Tensor
        NaN where there is no element; of integers and booleans in float32.

    Raises
    ------
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([[1.0, 2.0], [3.0, 4.0]]).mean()
    tensor(2.5000)
    """
    over = axes.several("mean", axis, x._data.ndim)
    return Mean.apply(_floats(x), axis=over, keepdims=keepdims)


class Mean(Function):
    """The mean over axes."""

    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, axis: _AxisTuple, keepdims: bool) -> Array:
        """Add up and divide."""
        ctx.axis = axis
        count = math.prod([x.shape[a] for a in axis])
        ctx.count = x.dtype.type(count)
        total = _total(x, axis, keepdims)
        with np.errstate(all="ignore"):  # the mean of nothing is NaN
            return combine("divide", total, ctx.count)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient over their number to each."""
        share = combine("divide", dy, ctx.count)
        return _spread(share, argument_shape(ctx.edges[0]), ctx.axis)


def max(x: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Return the greatest element over axes.

    Equal ones share the gradient, as in PyTorch's ``amax``. NaN wins.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        All axes by default.
    keepdims : bool, default False
        Keep them with extent 1.

    Raises
    ------
    ValueError
        If there is no such axis, or no element along it.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([[1.0, 2.0], [4.0, 3.0]]).max(axis=1)
    tensor([2., 4.])
    """
    return _extreme("max", x, axis, keepdims)


def min(x: Tensor, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Return the least element over axes.

    Equal ones share the gradient, as in PyTorch's ``amin``. NaN wins.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        All axes by default.
    keepdims : bool, default False
        Keep them with extent 1.

    Raises
    ------
    ValueError
        If there is no such axis, or no element along it.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([[1.0, 2.0], [4.0, 3.0]]).min(axis=1)
    tensor([1., 3.])
    """
    return _extreme("min", x, axis, keepdims)


def _extreme(name: str, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    shape = x._data.shape
    over = axes.several(name, axis, len(shape))
    if any(shape[a] == 0 for a in over):
        raise ValueError(f"{name}: no element along axis {axis} of shape {shape}")
    return Extreme.apply(x, name=name, axis=over, keepdims=keepdims)


class Extreme(Function):
    """The greatest or the least element over axes."""

    gradient_memory = "new"

    @staticmethod
    def forward(
        ctx: Context, x: Array, *, name: str, axis: _AxisTuple, keepdims: bool
    ) -> Array:
        """Search."""
        find = x.max if name == "max" else x.min
        y = boxed(find(axis=axis, keepdims=keepdims))
        ctx.axis = axis
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient, in equal parts to those that are equal to the result."""
        x, y = ctx.saved
        chosen = x == _spread(y, x.shape, ctx.axis)
        shares = chosen.sum(axis=ctx.axis, keepdims=True).astype(dy.dtype)
        dx: Array = chosen * (dy.reshape(shares.shape) / shares)
        return dx


def var(
    x: Tensor, axis: Axes = None, keepdims: bool = False, correction: int = 1
) -> Tensor:
    """Return the variance over axes.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        All axes by default.
    keepdims : bool, default False
        Keep them with extent 1.
    correction : int, default 1
        The squares are divided by their number less this, as in PyTorch: 1 for the
        unbiased estimate, 0 for the mean square (NumPy's default).

    Returns
    -------
    Tensor
        NaN where there are no more elements than `correction`.

    Raises
    ------
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """
    over = axes.several("var", axis, x._data.ndim)
    return Var.apply(_floats(x), axis=over, keepdims=keepdims, correction=correction)


class Var(Function):
    """The variance over axes."""

    gradient_memory = "new"

    @staticmethod
    def forward(
        ctx: Context, x: Array, *, axis: _AxisTuple, keepdims: bool, correction: int
    ) -> Array:
        """Square the differences from the mean, in a second pass over x."""
        count = math.prod([x.shape[a] for a in axis])
        freedom = count - correction
        divisor = x.dtype.type(freedom if freedom > 0 else np.nan)
        mean_ = x.sum(axis=axis, keepdims=True) / x.dtype.type(count or np.nan)
        centred = boxed(x - mean_)
        ctx.axis, ctx.divisor = axis, divisor
        ctx.save_for_backward(centred)
        total = _total(np.square(centred), axis, keepdims)
        return total / divisor  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``2 (x - mean) dy / (count - correction)``."""
        (centred,) = ctx.saved
        scaled = boxed(dy * (dy.dtype.type(2) / ctx.divisor))
        dx: Array = centred * _spread(scaled, centred.shape, ctx.axis)
        return dx
