"""Images sampled where an affine map sends their pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tilewright.data.dataset import Array

Numbers = NDArray[np.float64]

FILL_MODES = ("constant", "nearest", "reflect", "wrap")
INTERPOLATIONS = ("bilinear", "nearest")
# Rounding of sines must not move what lies on a pixel to beside it.
_DECIMALS = 5


def warp(
    x: Array,
    matrix: Numbers,
    offset: Numbers,
    fill_mode: str = "constant",
    fill: float = 0.0,
    interpolation: str = "bilinear",
) -> Array:
    """Sample images where an affine map sends the pixels of the result.

    Pixel p of the result shows ``matrix @ (p - centre) + centre + offset``.

    Parameters
    ----------
    x : ndarray of float, shape (N, H, W, C)
    matrix : ndarray, shape (N, 2, 2)
        On rows and columns.
    offset : ndarray, shape (N, 2)
        Rows and columns.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default "constant"
        What lies outside: `fill`, the image's edge, the image mirrored with its edge
        repeated, or the image again.
    fill : float, default 0
    interpolation : {"bilinear", "nearest"}, default "bilinear"

    Returns
    -------
    ndarray, shape (N, H, W, C)

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.data.augmentation.sampling import warp
    >>> x = np.arange(3, dtype=np.float32).reshape(1, 1, 3, 1)
    >>> warp(x, np.eye(2)[None], np.array([[0, -1]]), fill=9)[0, 0, :, 0]
    array([9., 0., 1.], dtype=float32)
    """
    N, H, W, C = x.shape
    from_centre = np.arange(H)[:, None] - (H - 1) / 2, np.arange(W) - (W - 1) / 2
    if fill_mode == "constant":
        # A frame of `fill` around the image is what lies outside, however far.
        framed = np.full((N, H + 2, W + 2, C), fill, x.dtype)
        framed[:, 1:-1, 1:-1] = x
        x = framed
    rows, columns = x.shape[1:3]
    flat = x.reshape(-1, C)
    first = np.arange(N)[:, None, None] * (rows * columns)
    taps = []  # for rows and for columns: places in the array, and their shares
    for axis, size in enumerate((H, W)):
        along_rows, along_columns = matrix[:, axis, :, None, None].swapaxes(0, 1)
        place = along_rows * from_centre[0] + along_columns * from_centre[1]
        place += ((size - 1) / 2 + offset[:, axis])[:, None, None]
        taps.append(_taps(place.round(_DECIMALS), size, fill_mode, interpolation))
    result = np.zeros((N, H, W, C), x.dtype)
    for row, share_down in taps[0]:
        at_row = first + row * columns
        for column, share_right in taps[1]:
            share = (share_down * share_right).astype(x.dtype)
            result += share[..., None] * flat.take(at_row + column, axis=0)
    return result


def _taps(
    place: Numbers, size: int, fill_mode: str, interpolation: str
) -> list[tuple[NDArray[np.int64], Numbers]]:
    """Pixels that places lie between, as numbers in the array, and their shares."""
    if interpolation == "nearest":
        nearest = np.floor(place + 0.5).astype(np.int64)
        return [(_within(nearest, size, fill_mode), np.ones_like(place))]
    corner = np.floor(place)
    share = place - corner
    first = corner.astype(np.int64)
    return [
        (_within(first, size, fill_mode), 1 - share),
        (_within(first + 1, size, fill_mode), share),
    ]


def _within(index: NDArray[np.int64], size: int, fill_mode: str) -> NDArray[np.int64]:
    if fill_mode == "constant":
        return np.clip(index + 1, 0, size + 1)
    if fill_mode == "reflect":
        index = index % (2 * size)
        return np.minimum(index, 2 * size - 1 - index)
    return index % size if fill_mode == "wrap" else np.clip(index, 0, size - 1)
