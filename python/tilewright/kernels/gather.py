"""Rows of arrays collected into batches, ahead of the steps that need them."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tilewright.kernels import recording
from tilewright.kernels.backends.protocol import Array

Rows = npt.NDArray[np.int64]


class Gathering(Protocol):
    """A batch under way."""

    def finish(self) -> tuple[Array, ...]:
        """Return the batch, one array for each of the gatherer's."""


class Gatherer(Protocol):
    """What :func:`gatherer` returns."""

    def begin(self, rows: Rows) -> Gathering:
        """Begin to collect rows; the arrays must not change until it is finished."""


class _NumPyGathering:
    def __init__(self, arrays: Sequence[Array], rows: Rows) -> None:
        self._arrays = arrays
        self._rows = rows

    def finish(self) -> tuple[Array, ...]:
        return tuple([array.take(self._rows, axis=0) for array in self._arrays])


class _NumPyGatherer:
    """Collects when the batch is asked for."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays = arrays

    def begin(self, rows: Rows) -> Gathering:
        return _NumPyGathering(self._arrays, rows)


def _in_memory(array: Array) -> bool:
    """Whether no row has to be read from a file first."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return False
        base = base.base
    return not isinstance(base, mmap.mmap)


def gatherer(arrays: Sequence[Array]) -> Gatherer:
    """Return what collects rows of arrays into batches.

    With the compiled extension, threads of the pool copy them while they wait for
    something to compute; no thread is started or woken for it. What is left is done
    by ``finish``, and all is for arrays that are mapped from files: a thread that
    waits for a disk computes nothing.

    Parameters
    ----------
    arrays
        Of any dtype, with at least one axis. Rows are taken from the first.

    Returns
    -------
    Gatherer
        ``begin(rows)`` takes row numbers, int64 in C order, of which each array has
        so many; the ``finish()`` of what it returns gives new arrays
        ``(len(rows), ...)``.

    Raises
    ------
    ValueError
        By ``begin``, if a row is out of range; without the extension ``finish``
        raises IndexError.

    Examples
    --------
    >>> import numpy as np
    >>> batches = gatherer([np.arange(6.0).reshape(3, 2), np.arange(3)])
    >>> x, y = batches.begin(np.array([2, 0])).finish()
    >>> x
    array([[4., 5.],
           [0., 1.]])
    >>> y.tolist()
    [2, 0]
    """
    plain = all(
        array.flags.c_contiguous and not array.dtype.hasobject and _in_memory(array)
        for array in arrays
    )
    if not (plain and recording.possible()):
        return _NumPyGatherer(arrays)
    from tilewright import _cpu

    return _cpu.Gatherer([np.asarray(array) for array in arrays])
