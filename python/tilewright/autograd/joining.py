"""Several tensors into one, and one into several."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import kernels
from tilewright.autograd import axes
from tilewright.autograd.broadcasting import FLOAT32, common_dtype
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.autograd.indexing import GetItem
from tilewright.autograd.tensor import Tensor

Array = NDArray[Any]


def _alike(name: str, tensors: Any) -> list[Tensor]:
    """Return the tensors of one dtype."""
    if isinstance(tensors, (Tensor, np.ndarray)) or not isinstance(tensors, Sequence):
        raise TypeError(
            f"{name}: tensors must be a list of tensors, got {type(tensors).__name__}"
        )
    if not tensors:
        raise ValueError(f"{name}: tensors must not be empty")
    found = [x if isinstance(x, Tensor) else Tensor(x) for x in tensors]
    dtype = reduce(common_dtype, [x._data.dtype for x in found])
    return [x.astype(dtype) for x in found]


def _joined(arrays: Sequence[Array], axis: int) -> Array:
    if arrays[0].dtype == FLOAT32:
        return kernels.concatenate(arrays, axis)
    return np.concatenate(arrays, axis)


def concatenate(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along an axis that they have.

    Parameters
    ----------
    tensors : list of Tensor or array
        Of the same shape but for that axis.
    axis : int, default 0

    Raises
    ------
    ValueError
        If the list is empty, the shapes do not fit, or there is no such axis.
    TypeError
        If it is no list.

    Examples
    --------
    >>> import tilewright as tw
    >>> from tilewright.autograd import concatenate
    >>> concatenate([tw.tensor([1.0]), tw.tensor([2.0, 3.0])])
    tensor([1., 2., 3.])
    """
    found = _alike("concatenate", tensors)
    first = found[0]._data.shape
    along = axes.one("concatenate", axis, len(first))
    for x in found:
        shape = x._data.shape
        if len(shape) != len(first) or any(
            n != m
            for a, (n, m) in enumerate(zip(shape, first, strict=True))
            if a != along
        ):
            raise ValueError(
                f"concatenate: shapes must agree but for axis {along}, got {first} "
                f"and {shape}"
            )
    return Concatenate.apply(*found, axis=along)


class Concatenate(Function):
    """Tensors joined along an axis."""

    kernels_only = True

    @staticmethod
    def forward(ctx: Context, *arrays: Array, axis: int) -> Array:
        """Join."""
        ctx.axis = axis
        ctx.ends = list(itertools.accumulate(array.shape[axis] for array in arrays))
        return _joined(arrays, axis)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """To each its part of the gradient."""
        return tuple(np.split(dy, ctx.ends[:-1], ctx.axis))


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along a new axis.

    Parameters
    ----------
    tensors : list of Tensor or array
        Of the same shape.
    axis : int, default 0
        Place of the new axis in the result.

    Raises
    ------
    ValueError
        If the list is empty, the shapes differ, or there is no such place.
    TypeError
        If it is no list.

    Examples
    --------
    >>> import tilewright as tw
    >>> from tilewright.autograd import stack
    >>> stack([tw.tensor([1.0, 2.0]), tw.tensor([3.0, 4.0])], axis=1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    found = _alike("stack", tensors)
    first = found[0]._data.shape
    for x in found:
        if x._data.shape != first:
            raise ValueError(
                f"stack: shapes must be equal, got {first} and {x._data.shape}"
            )
    return Stack.apply(*found, axis=axes.one("stack", axis, len(first) + 1))


class Stack(Function):
    """Tensors joined along a new axis."""

    kernels_only = True

    @staticmethod
    def forward(ctx: Context, *arrays: Array, axis: int) -> Array:
        """Join."""
        ctx.axis = axis
        return _joined([np.expand_dims(array, axis) for array in arrays], axis)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """To each its slice of the gradient."""
        slices = np.moveaxis(dy, ctx.axis, 0)
        return tuple([slices[position, ...] for position in range(len(slices))])


def split(x: Tensor, size: int, axis: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor into pieces along an axis.

    Parameters
    ----------
    x : Tensor
    size : int
        Extent of each piece; the last may be smaller.
    axis : int, default 0

    Returns
    -------
    tuple of Tensor
        Views.

    Raises
    ------
    ValueError
        If the size is below 1 or there is no such axis.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([1.0, 2.0, 3.0]).split(2)
    (tensor([1., 2.]), tensor([3.]))
    """
    along = axes.one("split", axis, x._data.ndim)
    if size < 1:
        raise ValueError(f"split: size must be at least 1, got {size}")
    before = (slice(None),) * along
    starts = range(0, max(x._data.shape[along], 1), size)
    return tuple(
        [GetItem.apply(x, index=(*before, slice(s, s + size))) for s in starts]
    )
