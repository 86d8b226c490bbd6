"""Activations, dropout, the four operations, sums and copies."""

from __future__ import annotations

import math

import numpy as np

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array
from tilewright.philox import philox, uniform

SQRT_HALF = math.sqrt(0.5)


def activate(
    x: Array, kind: str, negative_slope: float = 0.0, out: Array | None = None
) -> Array:
    """Return an activation of x, in ``out`` where that is given (it may be x)."""
    if out is None:
        out = np.empty_like(x)
    if kind == "relu":
        np.maximum(x, 0, out=out)  # passes NaN
    elif kind == "leaky_relu":
        np.copyto(out, np.where(x > 0, x, negative_slope * x))
    elif kind == "sigmoid":
        np.copyto(out, 1 / (1 + np.exp(-x)))
    elif kind == "tanh":
        np.tanh(x, out=out)
    elif kind == "gelu":
        np.copyto(out, x * _normal_cdf(x))
    elif out is not x:
        np.copyto(out, x)
    return out


@quiet
def activation(x: Array, kind: str, negative_slope: float, out: Array | None) -> Array:
    """Return an activation of each element."""
    return activate(x, kind, negative_slope, out)


@quiet
def activation_backward(
    dy: Array, saved: Array, kind: str, negative_slope: float, out: Array | None
) -> Array:
    """Return the gradient of x from the saved result, or for gelu the saved x."""
    if kind == "relu":
        dx = np.where(saved <= 0, 0, dy)  # NaN passes
    elif kind == "leaky_relu":
        dx = np.where(saved > 0, dy, negative_slope * dy)
    elif kind == "sigmoid":
        dx = dy * (saved * (1 - saved))
    elif kind == "tanh":
        dx = dy * ((1 - saved) * (1 + saved))  # no digits lost near 1
    else:
        density = np.exp(-0.5 * saved * saved) / math.sqrt(2 * math.pi)
        dx = dy * (_normal_cdf(saved) + saved * density)
    if out is None:
        return dx.astype(dy.dtype, copy=False)
    np.copyto(out, dx)
    return out


def _normal_cdf(x: Array) -> Array:
    """Return the share of a normal distribution below x.

    NumPy has no error function, so Python's is called for each element.
    """
    scaled = (-SQRT_HALF * x).ravel().tolist()
    shares = np.fromiter(map(math.erfc, scaled), np.float64, len(scaled))
    return (0.5 * shares).reshape(x.shape).astype(x.dtype, copy=False)


@quiet
def dropout(x: Array, p: float, seed: int, offset: int) -> Array:
    """Return x with elements dropped by the numbers of Philox, the rest scaled."""
    counters = np.arange(-(-x.size // 4), dtype=np.uint64) + np.uint64(offset)
    numbers = uniform(philox(seed, counters)).ravel()[: x.size]
    kept = numbers.reshape(x.shape) >= p
    y = np.zeros_like(x)
    np.divide(x, 1 - p, out=y, where=kept)
    return y


def bias_gradient(dy: Array) -> Array:
    """Return the sum of the rows, in float64: a long sum of float32 loses digits."""
    total: Array = dy.sum(axis=0, dtype=np.float64)
    return total.astype(dy.dtype, copy=False)


def axis_sum(x: Array) -> Array:
    """Return the sum over the middle axis, in float64 like `bias_gradient`."""
    total: Array = x.sum(axis=1, dtype=np.float64)
    return total.astype(x.dtype, copy=False)


@quiet
def arithmetic(
    a: Array | float, b: Array | float, kind: str, out: Array | None
) -> Array:
    """Return one of NumPy's four operations; a number takes the array's dtype."""
    return np.asarray(getattr(np, kind)(a, b, out=out))


def copy(x: Array, out: Array | None) -> Array:
    """Return a copy in C order, or in ``out``."""
    if out is None:
        return x.copy(order="C")
    np.copyto(out, x)
    return out


def concatenate(arrays: list[Array], axis: int) -> Array:
    """Return arrays joined along an axis."""
    return np.concatenate(arrays, axis)
