"""Penalties on weights; each is the class of `tilewright.nn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tilewright.keras.naming import resolve
from tilewright.nn import L1, L1L2, L2

__all__ = ["L1", "L1L2", "L2", "get", "l1", "l1_l2", "l2"]


def l1(l1: float = 0.01) -> L1:
    """``l1 * sum(abs(w))``."""
    return L1(l1)


def l2(l2: float = 0.01) -> L2:
    """``l2 * sum(w**2)``."""
    return L2(l2)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Both."""
    return L1L2(l1, l2)


def get(regularizer: Any) -> L1L2 | None:
    """A regularizer by its name, itself, or None.

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is neither.

    Examples
    --------
    >>> from tilewright.keras import regularizers
    >>> regularizers.get("l2")
    L2(l1=0, l2=0.01)
    """
    known: dict[str, Callable[[], L1L2]] = {"l1": L1, "l2": L2, "l1_l2": l1_l2}
    found = resolve("regularizer", regularizer, known)
    if found is not None and not isinstance(found, L1L2):
        raise TypeError(
            f"a regularizer must be a name or a penalty, got {type(found).__name__}"
        )
    return found
