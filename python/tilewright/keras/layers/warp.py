"""Images sampled where an affine map sends their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FILL_MODES = ("reflect", "constant", "wrap", "nearest")
INTERPOLATIONS = ("bilinear", "nearest")


def warp(
    x: Array,
    matrix: Array,
    offset: Array,
    fill_mode: str,
    fill_value: float,
    interpolation: str,
) -> Array:
    """Sample images.

    Pixel p of the result shows ``matrix @ (p - centre) + centre + offset``.

    Parameters
    ----------
    x : ndarray of float32, shape (N, H, W, C)
    matrix : ndarray, shape (N, 2, 2)
        On rows and columns.
    offset : ndarray, shape (N, 2)
    fill_mode : {"reflect", "constant", "wrap", "nearest"}
        What lies outside: the image mirrored with its edge repeated, `fill_value`, the
        image again, or its edge.
    fill_value : float
    interpolation : {"bilinear", "nearest"}

    Returns
    -------
    ndarray, shape (N, H, W, C)

    Examples
    --------
    >>> x = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    >>> same = np.eye(2)[None]
    >>> warp(x, same, np.array([[0, -1]]), "constant", 9.0, "bilinear")[0, 0, :, 0]
    array([9., 0., 1.], dtype=float32)
    """
    N, H, W, C = x.shape
    centre = np.array([(H - 1) / 2, (W - 1) / 2])
    grid = np.stack(np.meshgrid(np.arange(H), np.arange(W), indexing="ij"), -1)
    place = np.einsum("nij,hwj->nhwi", matrix, grid - centre)
    place += centre + offset[:, None, None]
    # Rounding of sines must not move what lies on a pixel beside it.
    place = np.round(place, 5)
    images = np.arange(N)[:, None, None]
    result = np.zeros_like(x)
    for rows, row_share in _taps(place[..., 0], interpolation):
        row, row_inside = _within(rows, H, fill_mode)
        for columns, column_share in _taps(place[..., 1], interpolation):
            column, column_inside = _within(columns, W, fill_mode)
            taps = x[images, row, column]
            if fill_mode == "constant":
                inside = (row_inside & column_inside)[..., None]
                taps = np.where(inside, taps, np.float32(fill_value))
            result += (row_share * column_share).astype(x.dtype)[..., None] * taps
    return result


def _taps(place: Array, interpolation: str) -> list[tuple[Array, Array]]:
    """The pixels that a place lies between, and the share of each."""
    if interpolation == "nearest":
        return [(np.floor(place + 0.5).astype(np.int64), np.ones_like(place))]
    corner = np.floor(place)
    share = place - corner
    first = corner.astype(np.int64)
    return [(first, 1 - share), (first + 1, share)]


def _within(index: Array, extent: int, fill_mode: str) -> tuple[Array, Array]:
    """Indices within an extent, and which of them were so before."""
    inside = (index >= 0) & (index < extent)
    if fill_mode == "reflect":
        index = index % (2 * extent)
        index = np.minimum(index, 2 * extent - 1 - index)
    elif fill_mode == "wrap":
        index = index % extent
    return np.clip(index, 0, extent - 1), inside
