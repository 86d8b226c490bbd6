"""What the cases are made of: random arrays, and arrays that lie awkwardly."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tilewright.kernels.backends.protocol import Array

Layout: TypeAlias = Callable[[Array], Array]
Random: TypeAlias = Callable[..., Array]  # of a generator and a shape

# Elements of a vector register: 4 (NEON), 8 (AVX2), 16 (AVX-512), and their
# neighbours; beside them 1 and some primes.
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 33, 61)


def normal(rng: np.random.Generator, *shape: int) -> Array:
    """Return float32 of a normal distribution."""
    return rng.standard_normal(shape, dtype=np.float32)


def integers(rng: np.random.Generator, *shape: int, largest: int = 3) -> Array:
    """Return small whole numbers in float32: sums of their products are exact."""
    return rng.integers(-largest, largest + 1, shape).astype(np.float32)


def with_nan(array: Array, share: float, rng: np.random.Generator) -> Array:
    """Return the array with some of its elements made NaN, one at least."""
    array = array.copy()
    chosen = rng.random(array.shape) < share
    chosen.flat[rng.integers(array.size)] = True
    array[chosen] = np.nan
    return array


def strided(array: Array) -> Array:
    """Return an equal array that is every second element of a larger one."""
    other = np.nan if array.dtype.kind == "f" else 77
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), other, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def reversed_rows(array: Array) -> Array:
    """Return an equal array whose first axis runs backwards in memory."""
    return np.ascontiguousarray(array[::-1])[::-1]


def misaligned(array: Array) -> Array:
    """Return an equal array that starts one byte past a float's place."""
    raw = np.zeros(array.nbytes + 1, np.uint8)
    moved = raw[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def read_only(array: Array) -> Array:
    """Return an equal array that cannot be written."""
    array = array.copy()
    array.flags.writeable = False
    return array


# The ways in which an input may lie in memory and still be taken.
LAYOUTS: tuple[Layout, ...] = (strided, reversed_rows, misaligned, read_only)
