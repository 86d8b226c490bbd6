"""Checks of the steps' arguments and of the batches that reach them."""

from __future__ import annotations

import numpy as np

from tilewright.data.dataset import Array


def images(step: str, x: Array) -> tuple[int, int, int, int]:
    """Return the shape of a batch of float images.

    Raises
    ------
    ValueError
        If it has other than four axes.
    TypeError
        If it is not of floats.
    """
    if x.ndim != 4:
        raise ValueError(f"{step}: expected images (N, H, W, C), got shape {x.shape}")
    if x.dtype.kind != "f":
        raise TypeError(
            f"{step}: expected float images, got {x.dtype}; put Rescale(1 / 255) "
            "before it"
        )
    N, H, W, C = x.shape
    return N, H, W, C


def number(step: str, name: str, value: float, low: float, high: float) -> float:
    """Return a number within a range.

    Raises
    ------
    ValueError
        If it is out of range or NaN.
    TypeError
        If it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{step}: {name} must be a number, got {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{step}: {name} must be in [{low}, {high}], got {value}")
    return float(value)


def pair(
    step: str, name: str, value: int | tuple[int, int], low: int
) -> tuple[int, int]:
    """Return an int or a pair of ints as a pair, each at least `low`.

    Raises
    ------
    ValueError
        If it is of another length or too small.
    TypeError
        If it is not of ints.
    """
    values = value if isinstance(value, tuple | list) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{step}: {name} must be an int or a pair, got {value!r}")
    for item in values:
        if isinstance(item, bool) or not isinstance(item, int | np.integer):
            raise TypeError(f"{step}: {name} must be of ints, got {value!r}")
        if item < low:
            raise ValueError(f"{step}: {name} must be >= {low}, got {value!r}")
    return int(values[0]), int(values[1])
