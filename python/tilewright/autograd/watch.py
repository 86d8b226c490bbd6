"""Whether anything but kernels computes, while kernels are being recorded.

A recording of kernel calls (:mod:`tilewright.kernels.recording`) stands for what was
done in the meantime only if nothing else changed an array. Functions say so of
themselves (`Function.kernels_only`); whatever else writes to arrays reports it here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Watch:
    """What was noticed.

    Attributes
    ----------
    other : str or None
        The first thing that was not a kernel.
    """

    __slots__ = ("other",)

    def __init__(self) -> None:
        self.other: str | None = None


current: Watch | None = None


def report(what: str) -> None:
    """Say that something other than a kernel computes."""
    if current is not None and current.other is None:
        current.other = what


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Watch inside of a ``with`` block."""
    global current
    before, current = current, Watch()
    try:
        yield current
    finally:
        current = before
