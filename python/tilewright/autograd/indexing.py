"""Parts of a tensor: by index, by mask, by condition.

An index is basic where it has integers, slices, ``None`` and ``...`` alone: the
result is then a view. With arrays or lists in it the result is a copy, and may hold
an element several times, whose gradients are added up.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd.arrays import boxed
from tilewright.autograd.broadcasting import (
    argument_shape,
    common_dtype,
    operands,
    unbroadcast,
)
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.autograd.tensor import Tensor
from tilewright.kernels.device_arrays import is_array, on_device

Array = NDArray[Any]


def plain_index(index: Any) -> Any:
    """Return an index with arrays of its own where it had tensors and arrays.

    A copy, for what the caller does to an index later is not noticed otherwise.
    """
    if isinstance(index, tuple):
        return tuple([plain_index(part) for part in index])
    if isinstance(index, Tensor):
        index = index._data
    elif isinstance(index, list):
        index = np.asarray(index, dtype=None if index else np.intp)
    if not is_array(index):
        return index
    if index.dtype.kind in "iu" and index.ndim == 0:
        return int(index)
    return index.copy()


def _arrays_in(index: Any) -> list[Array]:
    parts = index if isinstance(index, tuple) else (index,)
    return [part for part in parts if is_array(part)]


def added_at(shape: tuple[int, ...], index: Any, values: Array) -> Array:
    """Return zeros to whose ``[index]`` values are added, equal places in order.

    For arrays on a GPU, where CuPy's ``add.at`` adds by atomics, in any order: the
    values are sorted by their place and summed in a segmented scan, whose order
    depends on the places alone, and nothing waits for the GPU.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    index
        As for an array of that shape.
    values : ndarray
        Of the shape of such an array's ``[index]``.

    References
    ----------
    W. D. Hillis and G. L. Steele, "Data Parallel Algorithms", CACM 29, 1986.
    """
    size = math.prod(shape)
    places = np.arange(size, like=values).reshape(shape)[index].reshape(-1)
    if not places.size:
        return np.zeros(shape, values.dtype, like=values)
    order = np.argsort(places, kind="stable")
    places, sums = places[order], values.reshape(-1)[order]
    reach = 1
    while reach < places.size:
        same = places[reach:] == places[:-reach]
        sums = np.concatenate(
            [sums[:reach], sums[reach:] + np.where(same, sums[:-reach], 0)]
        )
        reach *= 2
    # The last of equal places has their sum; the others go to a place that is cut.
    last = np.concatenate([places[1:] != places[:-1], np.ones_like(places[:1], bool)])
    result = np.zeros(size + 1, values.dtype, like=values)
    result[np.where(last, places, size)] = sums
    return result[:-1].reshape(shape)


def get_item(x: Tensor, index: Any) -> Tensor:
    """Return ``x[index]``.

    Parameters
    ----------
    x : Tensor
    index
        As for a NumPy array; tensors are allowed in it.

    Returns
    -------
    Tensor
        A view, if the index is basic.

    Raises
    ------
    IndexError
        If the index does not fit the shape.

    Examples
    --------
    >>> import tilewright as tw
    >>> x = tw.tensor([1.0, 2.0, 3.0])
    >>> x[1:], x[[0, 0]]
    (tensor([2., 3.]), tensor([1., 1.]))
    """
    return GetItem.apply(x, index=plain_index(index))


class GetItem(Function):
    """A part of a tensor."""

    gradient_memory = "new"
    returns_view = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, index: Any) -> Array:
        """Take the part."""
        ctx.index = index
        try:
            y = x[index]
            if isinstance(y, np.generic):
                # NumPy copies a single element; `...` makes it a view as well.
                y = x[(*index, ...) if isinstance(index, tuple) else (index, ...)]
        except IndexError as error:
            raise IndexError(f"getitem: {error} (shape {x.shape})") from None
        return y  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Put the gradient in its place among zeros."""
        shape = argument_shape(ctx.edges[0])
        arrays = _arrays_in(ctx.index)
        plain = all(array.dtype == bool for array in arrays) and len(arrays) < 2
        if on_device(dy) and not plain:
            return added_at(shape, ctx.index, dy)
        dx = np.zeros(shape, dy.dtype, like=dy)
        if plain:
            dx[ctx.index] = dy
        else:
            np.add.at(dx, ctx.index, dy)
        return dx


class SetItem(Function):
    """A tensor with a part replaced; it is x itself that is written to."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array, value: Any, *, index: Any) -> Array:
        """Replace the part."""
        ctx.index = index
        try:
            x[index] = value
        except ValueError:
            raise ValueError(
                f"setitem: value of shape {getattr(value, 'shape', ())} does not fit "
                f"the part, of shape {x[index].shape}"
            ) from None
        except IndexError as error:
            raise IndexError(f"setitem: {error} (shape {x.shape})") from None
        return x

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient outside of the part to x, inside of it to the value.

        Where an index names an element twice, NumPy keeps one of the values and
        does not say which: each gets the gradient.
        """
        edge_x, edge_value = ctx.edges
        dx = dvalue = None
        if edge_value is not None:
            shape = argument_shape(edge_value)
            part = boxed(dy[ctx.index].copy())
            # NumPy lets a value have more axes than the part, of extent 1.
            excess = max(len(shape) - part.ndim, 0)
            dvalue = unbroadcast(part, shape[excess:]).reshape(shape)
        if edge_x is not None:
            dx = dy.copy()
            dx[ctx.index] = 0
        return dx, dvalue


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Return the elements of a where the condition holds, else those of b.

    Parameters
    ----------
    condition : Tensor or array of bool
    a, b : Tensor, array or number
        Of shapes that broadcast, also with the condition's.

    Raises
    ------
    TypeError
        If the condition is not of booleans, or a or b is not numeric.
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tilewright as tw
    >>> from tilewright.autograd import where
    >>> x = tw.tensor([-1.0, 2.0])
    >>> where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if not isinstance(condition, Tensor):
        condition = Tensor(condition)
    if condition._data.dtype.kind != "b":
        raise TypeError(
            f"where: condition must be of booleans, got {condition._data.dtype.name}"
        )
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = Tensor(a), Tensor(b)
        dtype = common_dtype(a._data.dtype, b._data.dtype)
        a = a.astype(dtype)
    pair = operands(a, b)
    if pair is None:
        raise TypeError(
            "where: a and b must be tensors, arrays or numbers, "
            f"got {type(a).__name__} and {type(b).__name__}"
        )
    return Where.apply(condition, *pair)


class Where(Function):
    """A choice between two."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, condition: Array, a: Any, b: Any) -> Array:
        """Choose."""
        ctx.save_for_backward(condition)
        try:
            return boxed(np.where(condition, a, b))
        except ValueError:
            raise ValueError(
                f"where: shapes {condition.shape}, {getattr(a, 'shape', ())} and "
                f"{getattr(b, 'shape', ())} do not broadcast"
            ) from None

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient to the one chosen."""
        (condition,) = ctx.saved
        _, edge_a, edge_b = ctx.edges
        zero = dy.dtype.type(0)
        da = db = None
        if edge_a is not None:
            da = unbroadcast(np.where(condition, dy, zero), argument_shape(edge_a))
        if edge_b is not None:
            db = unbroadcast(np.where(condition, zero, dy), argument_shape(edge_b))
        return None, da, db
