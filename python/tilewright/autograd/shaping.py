"""Changes of shape. They move no data where NumPy needs to move none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import axes
from tilewright.autograd.broadcasting import argument_shape, reshaped, unbroadcast
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.autograd.tensor import Axes, Tensor

Array = NDArray[Any]


def _numbers(values: tuple[Any, ...]) -> tuple[int, ...]:
    """Return sizes given one by one, or all in a tuple."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = tuple(values[0])
    return values


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return the elements, in C order, in another shape.

    Parameters
    ----------
    x : Tensor
    *shape : int, or one tuple of int
        One of them may be -1: whatever is left.

    Returns
    -------
    Tensor
        A view where the memory allows it.

    Raises
    ------
    ValueError
        If the number of elements differs.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([1.0, 2.0, 3.0, 4.0]).reshape(2, -1)
    tensor([[1., 2.],
            [3., 4.]])
    """
    return Reshape.apply(x, shape=_numbers(shape))


class Reshape(Function):
    """Another shape."""

    gradient_memory = "moved"
    kernels_only = True
    returns_view = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, shape: tuple[int, ...]) -> Array:
        """Reshape."""
        try:
            return reshaped(x, shape)
        except ValueError:
            raise ValueError(
                f"reshape: {x.size} elements of shape {x.shape} do not fit the "
                f"shape {shape}"
            ) from None

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Reshape back."""
        return reshaped(dy, argument_shape(ctx.edges[0]))


def flatten(x: Tensor, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """Return x with a range of axes made one.

    Parameters
    ----------
    x : Tensor
    start_axis, end_axis : int
        First and last axis of the range; all axes by default.

    Raises
    ------
    ValueError
        If there is no such axis, or the range is empty.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> tw.tensor(np.zeros((2, 3, 4))).flatten(1).shape
    (2, 12)
    """
    shape = x._data.shape
    if not shape:
        return reshape(x, 1)
    start = axes.one("flatten", start_axis, len(shape))
    end = axes.one("flatten", end_axis, len(shape)) + 1
    if start >= end:
        raise ValueError(
            f"flatten: start_axis must not lie after end_axis, got {start_axis} "
            f"and {end_axis} for shape {shape}"
        )
    middle = math.prod(shape[start:end])
    return Reshape.apply(x, shape=(*shape[:start], middle, *shape[end:]))


def permute(x: Tensor, *order: Any) -> Tensor:
    """Return the axes in another order.

    Parameters
    ----------
    x : Tensor
    *order : int, or one tuple of int
        Each axis once; the reverse order where none is given.

    Raises
    ------
    ValueError
        If an axis is missing or comes twice.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> tw.tensor(np.zeros((2, 3, 4))).permute(2, 0, 1).shape
    (4, 2, 3)
    """
    ndim = x._data.ndim
    given = _numbers(order)
    if not order:
        return Permute.apply(x, order=tuple(range(ndim - 1, -1, -1)))
    wanted = axes.several("permute", given, ndim)
    if len(wanted) != ndim:
        raise ValueError(
            f"permute: all {ndim} axes must be given, got {given} for shape "
            f"{x._data.shape}"
        )
    return Permute.apply(x, order=wanted)


def transpose(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return x with two axes exchanged.

    Parameters
    ----------
    x : Tensor
    axis0, axis1 : int

    Raises
    ------
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> tw.tensor(np.zeros((2, 3, 4))).transpose(1, 2).shape
    (2, 4, 3)
    """
    order = list(range(x._data.ndim))
    first = axes.one("transpose", axis0, len(order))
    second = axes.one("transpose", axis1, len(order))
    order[first], order[second] = second, first
    return Permute.apply(x, order=tuple(order))


class Permute(Function):
    """Another order of axes."""

    gradient_memory = "moved"
    kernels_only = True
    returns_view = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, order: tuple[int, ...]) -> Array:
        """Order the axes."""
        ctx.order_of_axes = order
        return x.transpose(order)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Order them back."""
        back = [0] * dy.ndim
        for position, axis in enumerate(ctx.order_of_axes):
            back[axis] = position
        return dy.transpose(back)


def squeeze(x: Tensor, axis: Axes = None) -> Tensor:
    """Return x without axes of extent 1.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        Those to drop; an axis that is longer stays, as in PyTorch.

    Raises
    ------
    ValueError
        If there is no such axis.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> tw.tensor(np.zeros((1, 3, 1))).squeeze(0).shape
    (3, 1)
    """
    shape = x._data.shape
    dropped = axes.several("squeeze", axis, len(shape))
    kept = tuple(n for a, n in enumerate(shape) if n != 1 or a not in dropped)
    return Reshape.apply(x, shape=kept)


def expand_dims(x: Tensor, axis: int) -> Tensor:
    """Return x with a new axis of extent 1.

    Parameters
    ----------
    x : Tensor
    axis : int
        Its place in the result.

    Raises
    ------
    ValueError
        If there is no such place.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([1.0, 2.0]).unsqueeze(-1).shape
    (2, 1)
    """
    shape = x._data.shape
    place = axes.one("expand_dims", axis, len(shape) + 1)
    return Reshape.apply(x, shape=(*shape[:place], 1, *shape[place:]))


def broadcast_to(x: Tensor, *shape: Any) -> Tensor:
    """Return x repeated along new axes and along those of extent 1.

    Parameters
    ----------
    x : Tensor
    *shape : int, or one tuple of int

    Returns
    -------
    Tensor
        A view, which cannot be written to.

    Raises
    ------
    ValueError
        If x cannot be repeated to that shape.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([1.0, 2.0]).broadcast_to(2, 2)
    tensor([[1., 2.],
            [1., 2.]])
    """
    return BroadcastTo.apply(x, shape=_numbers(shape))


class BroadcastTo(Function):
    """Repetition without a copy."""

    gradient_memory = "moved"
    kernels_only = True
    returns_view = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, shape: tuple[int, ...]) -> Array:
        """Repeat."""
        try:
            return np.broadcast_to(x, shape)
        except ValueError:
            raise ValueError(
                f"broadcast_to: shape {x.shape} cannot be repeated to {shape}"
            ) from None

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Sum over the repetitions."""
        return unbroadcast(dy, argument_shape(ctx.edges[0]))
