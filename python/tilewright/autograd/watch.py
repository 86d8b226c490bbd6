"""Whether anything but kernels computes, while kernels are being recorded.

A recording of kernel calls (:mod:`tilewright.kernels.recording`) stands for what was
done in the meantime only if nothing else changed an array. Functions say so of
themselves (`Function.kernels_only`); whatever else writes to arrays reports it here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray


class Watch:
    """What was noticed.

    Attributes
    ----------
    other : str or None
        The first thing that was not a kernel.
    constants : list of ndarray
        Arrays that no kernel made and that hold the same at every step.
    changed : list of ndarray
        What is neither a parameter nor made anew, and a kernel changes.
    counters : list of ndarray
        Arrays of whole numbers that go up by one.
    """

    __slots__ = ("changed", "constants", "counters", "other")

    def __init__(self) -> None:
        self.other: str | None = None
        self.constants: list[NDArray[Any]] = []
        self.changed: list[NDArray[Any]] = []
        self.counters: list[NDArray[Any]] = []


current: Watch | None = None
# Called with each application: the Function, its arguments as they came, its options
# and the resulting Tensor. For those who follow what a model computes.
applied: Callable[[Any, tuple[Any, ...], dict[str, Any], Any], None] | None = None


def report(what: str) -> None:
    """Say that something other than a kernel computes."""
    if current is not None and current.other is None:
        current.other = what


def changes(array: NDArray[Any]) -> None:
    """Say that a kernel changes an array that is there from step to step."""
    if current is not None:
        current.changed.append(array)


def count(array: NDArray[Any]) -> None:
    """Add one to an array of whole numbers, now and at every step."""
    array += 1
    if current is not None:
        current.counters.append(array)


def keep(array: NDArray[Any]) -> None:
    """Say that an array, which no kernel made, is the same at every step."""
    if current is not None:
        current.constants.append(array)


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Watch inside of a ``with`` block."""
    global current
    before, current = current, Watch()
    try:
        yield current
    finally:
        current = before


@contextlib.contextmanager
def following(
    function: Callable[[Any, tuple[Any, ...], dict[str, Any], Any], None],
) -> Iterator[None]:
    """Have a function called with each application inside of a ``with`` block."""
    global applied
    before, applied = applied, function
    try:
        yield
    finally:
        applied = before
