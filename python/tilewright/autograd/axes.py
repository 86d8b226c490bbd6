"""Axes as users write them, made positive and checked."""

from __future__ import annotations

import operator
from typing import Any


def one(name: str, axis: Any, ndim: int) -> int:
    """Return the axis counted from the first.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If there is no such axis.
    """
    try:
        position = operator.index(axis)
    except TypeError:
        raise TypeError(
            f"{name}: axis must be an integer, got {type(axis).__name__}"
        ) from None
    if not -ndim <= position < ndim:
        raise ValueError(
            f"{name}: axis must be in [{-ndim}, {ndim}) for {ndim} dimensions, "
            f"got {position}"
        )
    return position + ndim if position < 0 else position


def several(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes, all of them for None, counted from the first.

    Raises
    ------
    TypeError
        If one is no integer.
    ValueError
        If there is no such axis, or one comes twice.
    """
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list)):
        return (one(name, axis, ndim),)
    found = tuple(one(name, each, ndim) for each in axis)
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: axis must not name an axis twice, got {axis}")
    return found
