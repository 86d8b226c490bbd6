"""The four operations, powers, and comparisons, with broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd.arrays import boxed
from tilewright.autograd.broadcasting import (
    FLOAT32,
    argument_shape,
    combine,
    mismatch,
    operands,
    unbroadcast,
)
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import devices

Array = NDArray[Any]


def binary(function: type[Function], a: Any, b: Any) -> Tensor:
    """Apply a Function to two operands, of which one is a Tensor.

    Returns
    -------
    Tensor
        Or NotImplemented, as Python's operators want it, where the other operand is
        not numeric.
    """
    if not (
        isinstance(a, Tensor)
        and isinstance(b, Tensor)
        and a._data.dtype is b._data.dtype
    ):
        pair = operands(a, b)
        if pair is None:
            return NotImplemented  # type: ignore[no-any-return]
        a, b = pair
    return function.apply(a, b)


def compare(ufunc: np.ufunc, a: Tensor, b: Any) -> Tensor:
    """Compare element by element; the result is a Tensor of booleans."""
    pair = operands(a, b)
    if pair is None:
        return NotImplemented  # type: ignore[no-any-return]
    left, right = pair
    right = right._data if isinstance(right, Tensor) else right
    try:
        return Tensor(boxed(ufunc(left._data, right)))
    except TypeError:
        devices.expect_same(ufunc.__name__, (left._data, right))
        raise
    except ValueError:
        raise mismatch(ufunc.__name__, left._data, right) from None


def _combined(kind: str, a: Any, b: Any) -> Array:
    try:
        return combine(kind, a, b)
    except ValueError:
        raise mismatch(kind, a, b) from None


class Add(Function):
    """``a + b``."""

    kernels_only = True

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Array:
        """Add."""
        return _combined("add", a, b)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient as it came, to both."""
        edge_a, edge_b = ctx.edges
        return (
            None if edge_a is None else unbroadcast(dy, argument_shape(edge_a)),
            None if edge_b is None else unbroadcast(dy, argument_shape(edge_b)),
        )


class Subtract(Function):
    """``a - b``."""

    kernels_only = True

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Array:
        """Subtract."""
        return _combined("subtract", a, b)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient to a, and its opposite to b."""
        edge_a, edge_b = ctx.edges
        return (
            None if edge_a is None else unbroadcast(dy, argument_shape(edge_a)),
            None
            if edge_b is None
            else _opposite(unbroadcast(dy, argument_shape(edge_b))),
        )


class Multiply(Function):
    """``a * b``."""

    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Array:
        """Multiply."""
        need_a, need_b = ctx.needs_input_grad
        ctx.save_for_backward(a if need_b else None, b if need_a else None)
        return _combined("multiply", a, b)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """To each the gradient times the other."""
        a, b = ctx.saved
        edge_a, edge_b = ctx.edges
        da = db = None
        if edge_a is not None:
            da = unbroadcast(combine("multiply", dy, b), argument_shape(edge_a))
        if edge_b is not None:
            db = unbroadcast(combine("multiply", dy, a), argument_shape(edge_b))
        return da, db


class Divide(Function):
    """``a / b``; integers are divided in float32."""

    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Array:
        """Divide; by 0 in silence, as IEEE 754 has it."""
        if a.dtype.kind != "f":
            a, b = a.astype(FLOAT32), b.astype(FLOAT32)
        need_a, need_b = ctx.needs_input_grad
        ctx.save_for_backward(a if need_b else None, b if need_a or need_b else None)
        with np.errstate(all="ignore"):
            return _combined("divide", a, b)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``dy / b`` and ``-dy a / b**2``."""
        a, b = ctx.saved
        edge_a, edge_b = ctx.edges
        da = combine("divide", dy, b)
        db = None
        if edge_b is not None:
            slope = combine("multiply", da, combine("divide", a, b))
            db = _opposite(unbroadcast(slope, argument_shape(edge_b)))
        if edge_a is None:
            return None, db
        return unbroadcast(da, argument_shape(edge_a)), db


def _opposite(x: Array) -> Array:
    return combine("multiply", x, x.dtype.type(-1))


class Negative(Function):
    """``-x``."""

    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Any) -> Array:
        """Negate."""
        if x.dtype != FLOAT32:
            return np.negative(x)  # type: ignore[no-any-return]
        return _opposite(x)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The opposite gradient."""
        return combine("multiply", dy, dy.dtype.type(-1), ctx.scratch(dy))


def power(a: Any, b: Any) -> Tensor:
    """Return ``a ** b``, the common case of a fixed exponent apart."""
    pair = operands(a, b)
    if pair is None:
        return NotImplemented  # type: ignore[no-any-return]
    base, exponent = pair
    if isinstance(exponent, Tensor):
        return Power.apply(base, exponent)
    return PowerOf.apply(base, exponent=exponent)


def _raised(a: Any, b: Any) -> Array:
    if np.result_type(a.dtype, b.dtype).kind in "iu" and (b < 0).any():
        raise ValueError(
            "power: integers cannot be raised to a negative integer; make the base "
            "float, x.astype('float32')"
        )
    try:
        with np.errstate(all="ignore"):
            return a**b  # type: ignore[no-any-return]
    except ValueError:
        raise mismatch("power", a, b) from None


class PowerOf(Function):
    """``x ** exponent`` for a number."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Any, *, exponent: Any) -> Array:
        """Raise."""
        ctx.save_for_backward(x)
        ctx.exponent = exponent
        return _raised(x, exponent)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``exponent x**(exponent - 1) dy``; 0 for the exponent 0, also at 0."""
        (x,) = ctx.saved
        exponent = ctx.exponent
        if exponent == 2:
            slope = x + x
        elif exponent == 0:
            return np.zeros_like(dy)
        else:
            slope = exponent * x ** (exponent - exponent.dtype.type(1))
        dx: Array = np.multiply(slope, dy, out=ctx.scratch(dy))
        return dx


class Power(Function):
    """``a ** b`` element by element."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any) -> Array:
        """Raise."""
        y = boxed(_raised(a, b))
        ctx.save_for_backward(a, b, y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``b a**(b - 1) dy`` and ``a**b log(a) dy``.

        Where b is 0 a does not matter; where a is 0 nor does b, unless negative.
        """
        a, b, y = ctx.saved
        edge_a, edge_b = ctx.edges
        da = db = None
        if edge_a is not None:
            slope = np.where(b == 0, 0, b * a ** (b - b.dtype.type(1)))
            da = unbroadcast(
                dy * slope.astype(dy.dtype, copy=False), argument_shape(edge_a)
            )
        if edge_b is not None:
            slope = np.where((a == 0) & (b >= 0), 0, y * np.log(a))
            db = unbroadcast(
                dy * slope.astype(dy.dtype, copy=False), argument_shape(edge_b)
            )
        return da, db
