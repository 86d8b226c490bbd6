"""Limits on gradients, over lists of arrays, in place.

Reference: R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training
recurrent neural networks", ICML 2013.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.kernels import checks, dispatch, inplace
from tilewright.kernels.backends.protocol import Array, FloatArray


def clip_by_norm(grads: Sequence[FloatArray], *, max_norm: float) -> float | Array:
    """Scale arrays so that their common 2-norm is at most max_norm, in place.

    The factor is ``max_norm / (norm + 1e-6)``, where that is below 1. A norm that is
    not finite changes nothing.

    Parameters
    ----------
    grads
        List of arrays, overwritten: C-contiguous, writeable, not overlapping.
    max_norm
        At least 0.

    Returns
    -------
    The norm before, in float64: its squares are added up in it. On a GPU a
    0-dimensional array, which is not waited for.

    Raises
    ------
    ValueError
        If an array cannot be written or overlaps another, or max_norm is out of
        range. Everything is checked before anything is written.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like the
        others.

    Examples
    --------
    >>> import numpy as np
    >>> grads = [np.array([3], np.float32), np.array([4], np.float32)]
    >>> clip_by_norm(grads, max_norm=2.5), grads[1].round(4)
    (5.0, array([2.], dtype=float32))
    """
    op = "clip_by_norm"
    max_norm = checks.number(op, "max_norm", max_norm)
    arrays = inplace.writeable(op, "grads", grads)
    if not arrays:
        return 0.0
    return dispatch.for_array(op, arrays[0]).clip_by_norm(arrays, max_norm)


def clip_by_value(grads: Sequence[FloatArray], *, limit: float) -> None:
    """Limit each element of arrays to ``[-limit, limit]``, in place. NaN stays NaN.

    Parameters
    ----------
    grads
        List of arrays, overwritten: C-contiguous, writeable, not overlapping.
    limit
        At least 0.

    Raises
    ------
    ValueError
        If an array cannot be written or overlaps another, or limit is out of range.
        Everything is checked before anything is written.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like the
        others.

    Examples
    --------
    >>> import numpy as np
    >>> grads = [np.array([3, -0.5], np.float32)]
    >>> clip_by_value(grads, limit=1)
    >>> grads
    [array([ 1. , -0.5], dtype=float32)]
    """
    op = "clip_by_value"
    limit = checks.number(op, "limit", limit)
    arrays = inplace.writeable(op, "grads", grads)
    if arrays:
        dispatch.for_array(op, arrays[0]).clip_by_value(arrays, limit)
