"""Operands of different shapes and types made to fit, and their gradients back.

Types follow PyTorch and not NumPy where they differ, so that float32 stays float32:
a number takes the type of the tensor it meets, and integers that meet floats take
theirs.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import watch
from tilewright.autograd.arrays import boxed
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import arithmetic, axis_sum, copy
from tilewright.kernels.device_arrays import is_array, on_device

Array: TypeAlias = NDArray[Any]

FLOAT32 = np.dtype(np.float32)
_INT64 = np.dtype(np.int64)
_SCALARS = (float, int, np.number, np.bool_)


def operands(a: Any, b: Any) -> tuple[Any, Any] | None:
    """Return the operands of one dtype, or None if one of them is neither.

    Parameters
    ----------
    a, b
        Tensors, arrays or numbers, one of them a Tensor.
    """
    if isinstance(a, Tensor):
        if type(b) is float or type(b) is int:  # the common case, for speed
            dtype = a._data.dtype
            if dtype.kind == "f":
                return a, dtype.type(b)
        if isinstance(b, Tensor):
            return _promoted(a, b)
        if _is_operand(b):
            return _promoted(a, Tensor(b))
        return _with_number(a, b)
    if _is_operand(a):
        return _promoted(Tensor(a), b)
    pair = _with_number(b, a)
    return None if pair is None else (pair[1], pair[0])


def _is_operand(value: Any) -> bool:
    """Whether a value is an array, and none of NumPy's that stands for a number."""
    return on_device(value) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _promoted(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    dtype = common_dtype(a._data.dtype, b._data.dtype)
    return a.astype(dtype), b.astype(dtype)


def common_dtype(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a result: the wider one, but floats win over integers."""
    if a.kind == "f" and b.kind != "f":
        return a
    if b.kind == "f" and a.kind != "f":
        return b
    return np.promote_types(a, b)


def _with_number(tensor: Tensor, number: Any) -> tuple[Tensor, Any] | None:
    """Return the pair with the number as a scalar of the tensor's dtype."""
    if isinstance(number, np.ndarray) and number.ndim == 0:
        number = number[()]
    if not isinstance(number, _SCALARS) or isinstance(number, np.complexfloating):
        return None
    dtype = tensor._data.dtype
    if dtype.kind != "f":
        if isinstance(number, (float, np.floating)):
            dtype = FLOAT32
        elif dtype.kind == "b" and not isinstance(number, (bool, np.bool_)):
            dtype = _INT64
        tensor = tensor.astype(dtype)
    return tensor, dtype.type(number)


def mismatch(name: str, a: Any, b: Any) -> ValueError:
    """Return the error for shapes that do not broadcast."""
    shapes = [getattr(x, "shape", ()) for x in (a, b)]
    return ValueError(f"{name}: shapes {shapes[0]} and {shapes[1]} do not broadcast")


def argument_shape(edge: Any) -> tuple[int, ...]:
    """Return the shape of the argument that an edge of a context stands for."""
    shape: tuple[int, ...] = (
        edge._data.shape if isinstance(edge, Tensor) else edge.shape
    )
    return shape


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its argument was repeated.

    Parameters
    ----------
    gradient : ndarray
        Of the broadcast shape.
    shape : tuple of int
        The argument's own.

    Returns
    -------
    ndarray
        `gradient` itself where nothing was repeated.
    """
    if gradient.shape == shape:
        return gradient
    new_axes = gradient.ndim - len(shape)
    repeated = tuple(
        axis
        for axis, extent in enumerate(gradient.shape)
        if axis < new_axes or (shape[axis - new_axes] == 1 and extent != 1)
    )
    return sum_over(gradient, repeated).reshape(shape)


def sum_over(x: Array, axes: tuple[int, ...]) -> Array:
    """Sum over axes, in float32 by the kernel: in blocks of fixed size."""
    return axis_sum(x, axes) if x.dtype == FLOAT32 else boxed(x.sum(axis=axes))


def combine(kind: str, a: Any, b: Any, out: Array | None = None) -> Array:
    """Join a and b by one of the four operations, in float32 by the kernel.

    Parameters
    ----------
    kind : str
        As `kernels.arithmetic` takes it: the name of a ufunc.
    a, b : ndarray or scalar
        Of one dtype.
    out : ndarray, optional
        C-contiguous; may be a or b.
    """
    if (is_array(a) or is_array(b)) and a.dtype == FLOAT32 and b.dtype == FLOAT32:
        return arithmetic(a, b, kind, out=out)
    return boxed(getattr(np, kind)(a, b, out=out))


def copied(x: Array) -> Array:
    """Return a copy in C order."""
    return copy(x) if x.dtype == FLOAT32 else x.copy(order="C")


def reshaped(x: Array, shape: tuple[int, ...]) -> Array:
    """Return the elements in another shape: a view where the memory allows it.

    A copy is made by the kernel where it has to be recorded.
    """
    y = x.reshape(shape)
    if watch.current is not None and not np.may_share_memory(x, y):
        return copied(x).reshape(shape)
    return y
