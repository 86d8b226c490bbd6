"""Images shifted, turned and zoomed: one affine map each, sampled bilinearly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilewright.data.augmentation import arguments
from tilewright.data.augmentation.pipeline import Draws
from tilewright.data.dataset import Array, Batch

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class RandomShift:
    """Images moved by a random part of their height and width.

    Parameters
    ----------
    amount : float or pair of float
        Largest part of the height and of the width, each in ``[0, 1]``.
    fill : float, default 0
        What comes in from outside.

    Raises
    ------
    ValueError, TypeError
        If an amount is out of range or no number.
    """

    amount: float | tuple[float, float]
    fill: float = 0.0

    def __post_init__(self) -> None:
        self._amounts()

    def _amounts(self) -> tuple[float, float]:
        amount = self.amount
        rows, columns = amount if isinstance(amount, tuple) else (amount, amount)
        return (
            arguments.number("RandomShift", "amount", rows, 0.0, 1.0),
            arguments.number("RandomShift", "amount", columns, 0.0, 1.0),
        )

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Move the images."""
        N, H, W, _ = arguments.images("RandomShift", x)
        rows, columns = self._amounts()
        shift = (2 * draws.uniform()[:, :2] - 1) * (rows * H, columns * W)
        return warp(x, np.broadcast_to(np.eye(2), (N, 2, 2)), -shift, self.fill), y


@dataclass(frozen=True)
class RandomRotation:
    """Images turned around their centre by a random angle.

    Parameters
    ----------
    degrees : float
        Largest angle in either direction, in ``[0, 180]``.
    fill : float, default 0
        What comes in from outside.

    Raises
    ------
    ValueError, TypeError
        If the angle is out of range or no number.
    """

    degrees: float
    fill: float = 0.0

    def __post_init__(self) -> None:
        arguments.number("RandomRotation", "degrees", self.degrees, 0.0, 180.0)

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Turn the images."""
        arguments.images("RandomRotation", x)
        angle = (2 * draws.uniform()[:, 0] - 1) * math.radians(self.degrees)
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
        return warp(x, matrix, np.zeros((len(x), 2)), self.fill), y


@dataclass(frozen=True)
class RandomZoom:
    """Images enlarged or made smaller around their centre by a random factor.

    Parameters
    ----------
    low, high : float
        Range of the factor; above 1 what is seen becomes larger. In ``[0.1, 10]``.
    fill : float, default 0
        What comes in from outside.

    Raises
    ------
    ValueError, TypeError
        If a factor is out of range or no number, or `low` is above `high`.
    """

    low: float
    high: float
    fill: float = 0.0

    def __post_init__(self) -> None:
        arguments.number("RandomZoom", "low", self.low, 0.1, 10.0)
        arguments.number("RandomZoom", "high", self.high, self.low, 10.0)

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Zoom the images."""
        arguments.images("RandomZoom", x)
        # Evenly spread logarithms: doubling is as likely as halving.
        low, high = math.log(self.low), math.log(self.high)
        factor = np.exp(low + draws.uniform()[:, 0] * (high - low))
        matrix = np.eye(2) / factor[:, None, None]
        return warp(x, matrix, np.zeros((len(x), 2)), self.fill), y


def warp(x: Array, matrix: Numbers, offset: Numbers, fill: float) -> Array:
    """Sample images where an affine map sends the pixels of the result.

    Pixel p of the result shows ``matrix @ (p - centre) + centre + offset``, between
    four pixels of the image by bilinear interpolation, and `fill` outside of it.

    Parameters
    ----------
    x : ndarray of float, shape (N, H, W, C)
    matrix : ndarray, shape (N, 2, 2)
    offset : ndarray, shape (N, 2)
        Rows and columns.
    fill : float

    Returns
    -------
    ndarray, shape (N, H, W, C)
    """
    N, H, W, C = x.shape
    from_centre = np.arange(H)[:, None] - (H - 1) / 2, np.arange(W) - (W - 1) / 2
    first = np.arange(N)[:, None, None] * ((H + 2) * (W + 2))
    taps = []  # for rows and for columns: two places in the frame and their shares
    for axis, size in enumerate((H, W)):
        along_rows, along_columns = matrix[:, axis, :, None, None].swapaxes(0, 1)
        place = along_rows * from_centre[0] + along_columns * from_centre[1]
        place += ((size - 1) / 2 + offset[:, axis])[:, None, None]
        corner = np.floor(place)
        share = (place - corner).astype(x.dtype)
        near, far = (
            np.clip(corner + step, 0, size + 1).astype(np.int64) for step in (1, 2)
        )
        taps.append(((near, 1 - share), (far, share)))
    # A frame of `fill` around the image is what lies outside, however far.
    framed = np.full((N, H + 2, W + 2, C), fill, x.dtype)
    framed[:, 1:-1, 1:-1] = x
    flat = framed.reshape(-1, C)
    result = np.zeros_like(x)
    for row, share_down in taps[0]:
        at_row = first + row * (W + 2)
        for column, share_right in taps[1]:
            share = share_down * share_right
            result += share[..., None] * flat.take(at_row + column, axis=0)
    return result
