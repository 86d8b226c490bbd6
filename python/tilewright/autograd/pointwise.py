"""Functions of each element by itself.

Where the gradient can be had from the result, the result is what is saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tilewright.autograd.arrays import boxed
from tilewright.autograd.broadcasting import (
    FLOAT32,
    argument_shape,
    copied,
    mismatch,
    operands,
    unbroadcast,
)
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import activation, activation_backward, devices
from tilewright.kernels.device_arrays import device_of

Array = NDArray[Any]


def _floating(x: Any) -> Tensor:
    """Return x as a Tensor of floats, integers as float32."""
    tensor = x if isinstance(x, Tensor) else Tensor(x)
    return tensor if tensor._data.dtype.kind == "f" else astype(tensor, FLOAT32)


def clone(x: Tensor) -> Tensor:
    """Return a copy through which gradients flow."""
    return Clone.apply(x)


class Clone(Function):
    """A copy."""

    gradient_memory = "moved"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        """Copy."""
        return copied(x)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The gradient as it came."""
        return dy


def to(x: Tensor, target: str | DTypeLike) -> Tensor:
    """Return x as another dtype, or on a device.

    Raises
    ------
    BackendUnavailableError
        If the device is not available here.
    ValueError
        If it is the name of no device.
    TypeError
        If the dtype is none of NumPy's, or not boolean, integer or float.

    Examples
    --------
    >>> import tilewright as tw
    >>> tw.tensor([1.0]).to("cpu")
    tensor([1.])
    """
    if not devices.is_name(target):
        return astype(x, target)
    device = devices.checked("to", target)
    return x if device_of(x._data) == device else ToDevice.apply(x, device=device)


class ToDevice(Function):
    """A copy on another device."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array, *, device: str) -> Array:
        """Copy there."""
        ctx.home = device_of(x)
        return devices.moved(x, device)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Copy the gradient back."""
        home: str = ctx.home
        return devices.moved(dy, home)


def astype(x: Tensor, dtype: DTypeLike) -> Tensor:
    """Return x as another dtype, or x itself where it has it.

    Raises
    ------
    TypeError
        If `dtype` is none of NumPy's, or not boolean, integer or float.
    """
    wanted = np.dtype(dtype)
    if wanted.kind not in "biuf":
        raise TypeError(
            f"astype: dtype must be boolean, integer or float, got {wanted}"
        )
    if wanted == x._data.dtype:
        return x
    if wanted.kind == "f":
        return Cast.apply(x, dtype=wanted)
    with np.errstate(invalid="ignore"):
        return Tensor(x._data.astype(wanted))


class Cast(Function):
    """Another float type."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array, *, dtype: np.dtype[Any]) -> Array:
        """Convert."""
        ctx.dtype = x.dtype
        with np.errstate(over="ignore"):
            return x.astype(dtype)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Convert back."""
        return dy.astype(ctx.dtype)


def absolute(x: Any) -> Tensor:
    """Return ``|x|``; the gradient at 0 is 0.

    Examples
    --------
    >>> import tilewright as tw
    >>> abs(tw.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """
    return Absolute.apply(x if isinstance(x, Tensor) else Tensor(x))


class Absolute(Function):
    """``|x|``."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        """Take the absolute value."""
        ctx.save_for_backward(x)
        return np.absolute(x)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``sign(x) dy``."""
        (x,) = ctx.saved
        dx: Array = np.multiply(np.sign(x), dy, out=ctx.scratch(dy))
        return dx


def exp(x: Any) -> Tensor:
    """Return ``e**x``.

    Examples
    --------
    >>> from tilewright.autograd import exp
    >>> exp([0.0])
    tensor([1.])
    """
    return Exp.apply(_floating(x))


class Exp(Function):
    """``e**x``."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        """Exponentiate."""
        with np.errstate(all="ignore"):
            y = boxed(np.exp(x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``y dy``."""
        (y,) = ctx.saved
        dx: Array = np.multiply(y, dy, out=ctx.scratch(dy))
        return dx


def log(x: Any) -> Tensor:
    """Return the natural logarithm; -inf at 0 and NaN below, without a warning.

    Examples
    --------
    >>> from tilewright.autograd import log
    >>> log([1.0])
    tensor([0.])
    """
    return Log.apply(_floating(x))


class Log(Function):
    """The natural logarithm."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        """Take the logarithm."""
        ctx.save_for_backward(x)
        with np.errstate(all="ignore"):
            return np.log(x)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``dy / x``."""
        (x,) = ctx.saved
        dx: Array = np.divide(dy, x, out=ctx.scratch(dy))
        return dx


def sqrt(x: Any) -> Tensor:
    """Return the square root; NaN below 0, without a warning.

    Examples
    --------
    >>> from tilewright.autograd import sqrt
    >>> sqrt([9.0])
    tensor([3.])
    """
    return Sqrt.apply(_floating(x))


class Sqrt(Function):
    """The square root."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        """Take the root."""
        with np.errstate(all="ignore"):
            y = boxed(np.sqrt(x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """``dy / 2y``."""
        (y,) = ctx.saved
        dx: Array = np.divide(dy, y + y, out=ctx.scratch(dy))
        return dx


def tanh(x: Any) -> Tensor:
    """Return the hyperbolic tangent.

    Examples
    --------
    >>> from tilewright.autograd import tanh
    >>> tanh([0.0])
    tensor([0.])
    """
    return Activation.apply(_floating(x), kind="tanh")


def sigmoid(x: Any) -> Tensor:
    """Return the logistic function ``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> from tilewright.autograd import sigmoid
    >>> sigmoid([0.0])
    tensor([0.5000])
    """
    return Activation.apply(_floating(x), kind="sigmoid")


def relu(x: Any) -> Tensor:
    """Return ``max(x, 0)``; the gradient at 0 is 0.

    Examples
    --------
    >>> from tilewright.autograd import relu
    >>> relu([-1.0, 2.0])
    tensor([0., 2.])
    """
    return Activation.apply(_floating(x), kind="relu")


class Activation(Function):
    """One of the kernels' activations whose gradient its result gives."""

    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, kind: str) -> Array:
        """Activate."""
        y = activation(x, kind)
        ctx.save_for_backward(y)
        ctx.kind = kind
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """The kernel's gradient."""
        (y,) = ctx.saved
        kind: str = ctx.kind
        return activation_backward(dy, y, kind, out=ctx.scratch(dy))


def clip(x: Any, low: float | None = None, high: float | None = None) -> Tensor:
    """Limit the elements to ``[low, high]``; there the gradient is 1, else 0.

    Parameters
    ----------
    x : Tensor or array_like
    low, high : float, optional
        At least one of them.

    Raises
    ------
    ValueError
        If neither limit is given.

    Examples
    --------
    >>> from tilewright.autograd import clip
    >>> clip([-2.0, 0.5, 2.0], -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if low is None and high is None:
        raise ValueError("clip: low or high must be given, got neither")
    tensor = x if isinstance(x, Tensor) else Tensor(x)
    if isinstance(low, float) or isinstance(high, float):
        tensor = _floating(tensor)
    return Clip.apply(tensor, low=low, high=high)


class Clip(Function):
    """Elements within limits."""

    gradient_memory = "new"

    @staticmethod
    def forward(
        ctx: Context, x: Array, *, low: float | None, high: float | None
    ) -> Array:
        """Limit."""
        ctx.save_for_backward(x)
        ctx.limits = low, high
        return boxed(np.clip(x, low, high))

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Dy where x lies within."""
        (x,) = ctx.saved
        low, high = ctx.limits
        inside = np.ones_like(x, bool) if low is None else boxed(x >= low)
        if high is not None:
            inside = inside & (x <= high)
        dx: Array = np.multiply(dy, inside, out=ctx.scratch(dy))
        return dx


def maximum(a: Any, b: Any) -> Tensor:
    """Return the greater of two elements; equal ones share the gradient.

    Parameters
    ----------
    a, b : Tensor, array or number
        Of shapes that broadcast.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tilewright as tw
    >>> from tilewright.autograd import maximum
    >>> maximum(tw.tensor([1.0, 5.0]), 3)
    tensor([3., 5.])
    """
    return Extremum.apply(*_pair("maximum", a, b), ufunc=np.maximum)


def minimum(a: Any, b: Any) -> Tensor:
    """Return the lesser of two elements; equal ones share the gradient.

    Parameters
    ----------
    a, b : Tensor, array or number
        Of shapes that broadcast.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tilewright as tw
    >>> from tilewright.autograd import minimum
    >>> minimum(tw.tensor([1.0, 5.0]), 3)
    tensor([1., 3.])
    """
    return Extremum.apply(*_pair("minimum", a, b), ufunc=np.minimum)


def _pair(name: str, a: Any, b: Any) -> tuple[Any, Any]:
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = Tensor(a)
    pair = operands(a, b)
    if pair is None:
        other = b if isinstance(a, Tensor) else a
        raise TypeError(
            f"{name}: arguments must be tensors, arrays or numbers, "
            f"got {type(other).__name__}"
        )
    return pair


class Extremum(Function):
    """The greater or the lesser of two."""

    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, a: Any, b: Any, *, ufunc: np.ufunc) -> Array:
        """Choose."""
        ctx.save_for_backward(a, b)
        ctx.ufunc = ufunc
        try:
            return boxed(ufunc(a, b))
        except ValueError:
            raise mismatch(ufunc.__name__, a, b) from None

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Dy to the one chosen, half of it to each where they are equal."""
        a, b = ctx.saved
        y = ctx.ufunc(a, b)
        one, half = dy.dtype.type(1), dy.dtype.type(0.5)
        shares = np.where(a == b, half, a == y).astype(dy.dtype, copy=False)
        edge_a, edge_b = ctx.edges
        da = db = None
        if edge_a is not None:
            da = unbroadcast(dy * shares, argument_shape(edge_a))
        if edge_b is not None:
            db = unbroadcast(dy * (one - shares), argument_shape(edge_b))
        return da, db
