"""Activations, dropout, the four operations, sums and copies in C++.

The extension's functions take the backends' arguments as they are, but for arrays of
more axes than its loops have, and for memory that is not aligned.
"""

from __future__ import annotations

import numpy as np

from tilewright import _cpu
from tilewright._cpu import activation as activation
from tilewright._cpu import activation_backward as activation_backward
from tilewright._cpu import axis_sum as axis_sum
from tilewright._cpu import bias_gradient as bias_gradient
from tilewright._cpu import dropout as dropout
from tilewright.kernels.backends.numpy import elementwise as plain
from tilewright.kernels.backends.protocol import Array

MOST_AXES = 8


def arithmetic(
    a: Array | float, b: Array | float, kind: str, out: Array | None
) -> Array:
    """Return a and b joined by one of the four operations."""
    if max(np.ndim(a), np.ndim(b)) <= MOST_AXES:
        return _cpu.arithmetic(a, b, kind, out)
    left, right = np.broadcast_arrays(a, b)
    whole = _cpu.arithmetic(left.ravel(), right.ravel(), kind, None)
    return plain.copy(whole.reshape(left.shape), out)


def copy(x: Array, out: Array | None) -> Array:
    """Return a copy in C order, or in ``out``."""
    if x.ndim > MOST_AXES or not x.flags.aligned:
        return plain.copy(x, out)
    return _cpu.copy(x, out)


def concatenate(arrays: list[Array], axis: int) -> Array:
    """Return arrays joined along an axis."""
    if arrays[0].ndim > MOST_AXES or not all(x.flags.aligned for x in arrays):
        return plain.concatenate(arrays, axis)
    return _cpu.concatenate(arrays, axis)
