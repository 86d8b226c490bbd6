"""Matrix products: ``a @ b`` by the rules of NumPy and PyTorch.

Products of float32 matrices go to :func:`tilewright.kernels.gemm`, which reads a
transposed matrix where it lies, so the backward pass copies nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd.arrays import boxed
from tilewright.autograd.broadcasting import (
    FLOAT32,
    argument_shape,
    operands,
    reshaped,
    unbroadcast,
)
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import gemm

Array = NDArray[Any]


def matmul(a: Any, b: Any) -> Tensor:
    """Return the matrix product.

    Parameters
    ----------
    a : Tensor or array, shape (..., M, K) or (K,)
    b : Tensor or array, shape (..., K, N) or (K,)
        The leading axes broadcast.

    Returns
    -------
    Tensor, shape (..., M, N)
        Without M or N where that argument is a vector.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import tilewright as tw
    >>> x = tw.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x @ tw.tensor([1.0, 1.0])
    tensor([3., 7.])
    """
    a = a if isinstance(a, Tensor) else Tensor(a)
    b = b if isinstance(b, Tensor) else Tensor(b)
    return operator_matmul(a, b)


def operator_matmul(a: Any, b: Any) -> Tensor:
    """Return ``a @ b``, or NotImplemented if one is neither tensor nor array."""
    if not (
        isinstance(a, Tensor)
        and isinstance(b, Tensor)
        and a._data.dtype is b._data.dtype
    ):
        pair = operands(a, b)
        if pair is None or not all(isinstance(x, Tensor) for x in pair):
            return NotImplemented  # type: ignore[no-any-return]
        a, b = pair
    return MatMul.apply(a, b)


def _product(a: Array, b: Array) -> Array:
    """Return the product of two matrices, transposed ones read where they lie."""
    if a.dtype != FLOAT32:
        with np.errstate(all="ignore"):
            return np.matmul(a, b)  # type: ignore[no-any-return]
    turned_a = a.flags.f_contiguous and not a.flags.c_contiguous
    turned_b = b.flags.f_contiguous and not b.flags.c_contiguous
    return gemm(
        a.T if turned_a else a,
        b.T if turned_b else b,
        transpose_a=turned_a,
        transpose_b=turned_b,
    )


def _rows(x: Array) -> Array:
    """Return the last axis as columns and all others as rows."""
    if x.ndim == 2:
        return x
    return reshaped(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _swapped(x: Array) -> Array:
    return x.swapaxes(-1, -2)


class MatMul(Function):
    """The matrix product; only of matrices it is a kernel's."""

    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Array:
        """Multiply; one matrix b for a whole batch makes one product of it."""
        _check(a, b)
        need_a, need_b = ctx.needs_input_grad
        ctx.save_for_backward(a if need_b else None, b if need_a else None)
        if b.ndim == 2 == a.ndim:
            return _product(a, b)
        if b.ndim <= 2:
            columns = b[:, None] if b.ndim == 1 else b
            return _product(_rows(a), columns).reshape(a.shape[:-1] + b.shape[1:])
        try:
            with np.errstate(all="ignore"):
                return np.matmul(a, b)  # type: ignore[no-any-return]
        except ValueError:
            raise ValueError(
                f"matmul: leading axes of shapes {a.shape} and {b.shape} do not "
                "broadcast"
            ) from None

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``dy b^T`` and ``a^T dy``."""
        a, b = ctx.saved
        edge_a, edge_b = ctx.edges
        da = db = None
        if edge_a is not None:
            da = _gradient_a(dy, b, argument_shape(edge_a))
        if edge_b is not None:
            db = _gradient_b(dy, a, argument_shape(edge_b))
        return da, db


def _gradient_a(dy: Array, b: Array, shape: tuple[int, ...]) -> Array:
    if b.ndim == 2:
        return _product(_rows(dy), b.T).reshape(shape)
    if b.ndim == 1:
        return boxed(dy[..., None] * b).reshape(shape)
    if len(shape) == 1:
        da = np.matmul(dy[..., None, :], _swapped(b))
        return unbroadcast(da, (1, *shape)).reshape(shape)
    return unbroadcast(np.matmul(dy, _swapped(b)), shape)


def _gradient_b(dy: Array, a: Array, shape: tuple[int, ...]) -> Array:
    if len(shape) <= 2:
        columns = dy[..., None] if len(shape) == 1 else dy
        return _product(_rows(a).T, _rows(columns)).reshape(shape)
    if a.ndim == 1:
        return unbroadcast(a[:, None] * dy[..., None, :], shape)
    return unbroadcast(np.matmul(_swapped(a), dy), shape)


def _check(a: Any, b: Any) -> None:
    if not a.ndim or not b.ndim:
        raise ValueError(
            "matmul: arguments must have at least 1 dimension, got shapes "
            f"{a.shape} and {b.shape}"
        )
    depth = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != depth:
        raise ValueError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: a has "
            f"{a.shape[-1]} columns but b has {depth} rows"
        )
