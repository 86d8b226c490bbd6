"""The checks of arguments, written once for all kernels and backends.

Each message names the function, the argument, what was expected and what came.
Inputs may be strided, misaligned or read-only: they are copied to C order where
they must be. Outputs are never copied behind the caller's back.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tilewright.kernels import dispatch
from tilewright.kernels.backends.protocol import Array, Shape
from tilewright.kernels.device_arrays import (
    device_of,
    in_order,
    kind,
    may_share_memory,
    on_device,
)

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
# One less than what a C int holds: strides and windows above are mistakes.
LARGEST_INT = 2**31 - 1
LARGEST_BYTES = 2**63 - 1


def floating(op: str, name: str, value: Any, ndim: int | None) -> Array:
    """Return a float array of ``ndim`` dimensions (None: any), in C order.

    Raises
    ------
    TypeError
        If it is no NumPy array, or not of native float32 or float64.
    ValueError
        If it has another number of dimensions.
    """
    if type(value) is not np.ndarray or value.dtype is not FLOAT32:
        value = _native_floats(op, name, value)
    if ndim is not None and value.ndim != ndim:
        raise ValueError(
            f"{op}: {name} must have {ndim} dimensions, "
            f"got {value.ndim} (shape {value.shape})"
        )
    return c_order(value)


def strided(op: str, name: str, value: Any) -> Array:
    """Return a float array of any strides.

    Raises
    ------
    TypeError
        If it is no NumPy array, or not of native float32 or float64.
    """
    if type(value) is np.ndarray and value.dtype is FLOAT32:
        return value
    return _native_floats(op, name, value)


def _native_floats(op: str, name: str, value: Any) -> Array:
    plain = ndarray(op, name, value)
    if plain.dtype not in (FLOAT32, FLOAT64) or not plain.dtype.isnative:
        what = plain.dtype.name
        if not plain.dtype.isnative:
            what += " in foreign byte order"
        raise TypeError(
            f"{op}: {name} must be float32 (or float64 on the numpy backend), "
            f"got {what}; convert it with {name}.astype(np.float32)"
        )
    return plain


def ndarray(op: str, name: str, value: Any) -> Array:
    """Return a NumPy array without its subclass, or CuPy's array.

    Raises
    ------
    TypeError
        If it is no such array, or a masked one.
    """
    if on_device(value):
        device: Array = value
        return device
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{op}: {name} must be a NumPy array, got {type(value).__name__}"
        )
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{op}: {name} must be a NumPy array without a mask; "
            f"fill it first with {name}.filled(...)"
        )
    return np.asarray(value)


def c_order(value: Array) -> Array:
    """Return an array that is C-contiguous and aligned: itself, or a copy."""
    if in_order(value):
        return value
    if value.dtype == FLOAT32 and not on_device(value):
        return dispatch.for_dtype("copy", FLOAT32).copy(value, None)
    return value.copy(order="C")


def same_dtype(op: str, name: str, value: Array, other: str, like: Array) -> None:
    """Raise TypeError unless two arrays have one dtype, and lie in one memory."""
    if type(value) is not type(like):
        same_memory(op, name, value, other, like)
    if value.dtype is not like.dtype and value.dtype != like.dtype:
        raise TypeError(
            f"{op}: {name} must be {like.dtype.name} like {other}, "
            f"got {value.dtype.name}"
        )


def same_memory(op: str, name: str, value: Array, other: str, like: Array) -> None:
    """Raise TypeError unless both arrays are NumPy's or both are CuPy's."""
    if on_device(value) != on_device(like):
        raise TypeError(
            f"{op}: {name} must be {kind(like)} like {other}, got {kind(value)} "
            f"({other} is on {device_of(like)}, {name} on {device_of(value)})"
        )


def like(
    op: str, name: str, value: Any, shape: Shape, other: str, reference: Array
) -> Array:
    """Return a float array of a given shape and of the reference's dtype."""
    array = floating(op, name, value, None)
    same_dtype(op, name, array, other, reference)
    if array.shape != shape:
        raise ValueError(
            f"{op}: {name} must have shape {shape}, got {array.shape} "
            f"({other}: {reference.shape})"
        )
    return array


def output(
    op: str,
    out: Any,
    shape: Shape,
    dtype: np.dtype[Any],
    inputs: Iterable[tuple[str, Any]],
) -> Array:
    """Check an array that a result goes into.

    Raises
    ------
    TypeError
        If it is no NumPy array or of another dtype.
    ValueError
        If it has another shape, is not C-contiguous, aligned and writeable, or
        shares memory with one of the inputs (their names and arrays).
    """
    plain = writeable(op, "out", out, shape, dtype)
    for name, value in inputs:
        if value is not None and may_share_memory(plain, value):
            raise ValueError(f"{op}: out must not share memory with {name}")
    return plain


def writeable(
    op: str, name: str, value: Any, shape: Shape, dtype: np.dtype[Any]
) -> Array:
    """Check an array that is written in place: dtype, shape and memory layout."""
    plain = ndarray(op, name, value) if type(value) is not np.ndarray else value
    if plain.dtype is not dtype and plain.dtype != dtype:
        raise TypeError(f"{op}: {name} must be {dtype.name}, got {plain.dtype}")
    if plain.shape != shape:
        raise ValueError(f"{op}: {name} must have shape {shape}, got {plain.shape}")
    flags = plain.flags
    if not (flags.c_contiguous if on_device(plain) else flags.carray):
        lacks = [
            word
            for word, holds in (
                ("C-contiguous", flags.c_contiguous),
                ("aligned", on_device(plain) or flags.aligned),
                ("writeable", on_device(plain) or flags.writeable),
            )
            if not holds
        ]
        raise ValueError(
            f"{op}: {name} must be C-contiguous, aligned and writeable; "
            f"it is not {' and not '.join(lacks)}"
        )
    return plain


def bytes_fit(op: str, what: str, shape: Shape, itemsize: int) -> None:
    """Raise ValueError where an array of a shape could not even be addressed."""
    size = itemsize
    for extent in shape:
        size *= extent or 1
    if size > LARGEST_BYTES:
        raise ValueError(f"{op}: {what} of shape {shape} has more than 2**63-1 bytes")


def integer(
    op: str, name: str, value: Any, minimum: int, maximum: int = LARGEST_INT
) -> int:
    """Return an int within bounds; TypeError or ValueError where it is not."""
    if type(value) is not int:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{op}: {name} must be an int, got {value}")
        try:
            value = operator.index(value)
        except TypeError:
            raise TypeError(
                f"{op}: {name} must be an int, got {type(value).__name__}"
            ) from None
    if not minimum <= value <= maximum:
        bound = f"at least {minimum}" if value < minimum else f"at most {maximum}"
        raise ValueError(f"{op}: {name} must be {bound}, got {value}")
    return int(value)


def number(
    op: str,
    name: str,
    value: Any,
    low: float = 0.0,
    high: float = math.inf,
    *,
    open_high: bool = False,
) -> float:
    """Return a finite float in ``[low, high]``, or ``[low, high)``."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"{op}: {name} must be a number, got {type(value).__name__}"
        ) from None
    if low <= result < high or (result == high and not open_high and high < math.inf):
        return result
    if high == math.inf:
        bounds = "finite" if low == -math.inf else f"finite and at least {low:g}"
    else:
        bounds = f"in [{low:g}, {high:g}{')' if open_high else ']'}"
    raise ValueError(f"{op}: {name} must be {bounds}, got {result!r}")


def choice(op: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """Return a string that is one of the choices, else raise ValueError."""
    if isinstance(value, str) and value in choices:
        return value
    allowed = ", ".join(repr(one) for one in choices)
    raise ValueError(f"{op}: {name} must be one of {allowed}, got {value!r}")


def shape(op: str, name: str, value: Any, ndim: int) -> Shape:
    """Return a shape given as a sequence of ``ndim`` sizes."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise TypeError(
            f"{op}: {name} must be a tuple of {ndim} ints, got {type(value).__name__}"
        )
    if len(value) != ndim:
        raise ValueError(f"{op}: {name} must have {ndim} sizes, got {tuple(value)}")
    return tuple(integer(op, name, size, 0, LARGEST_BYTES) for size in value)
