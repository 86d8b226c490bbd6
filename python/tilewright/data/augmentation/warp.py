"""Images shifted, turned and zoomed: an affine map each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tilewright.data.augmentation import arguments
from tilewright.data.augmentation.pipeline import Draws
from tilewright.data.augmentation.sampling import FILL_MODES, warp
from tilewright.data.dataset import Array, Batch


@dataclass(frozen=True)
class RandomShift:
    """Images moved by a random part of their height and width.

    Parameters
    ----------
    amount : float or pair of float
        Largest part of the height and of the width, each in ``[0, 1]``.
    fill : float, default 0
        What comes in from outside.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default "constant"
        Whether it is `fill`, the image's edge, the image mirrored, or the image again.

    Raises
    ------
    ValueError, TypeError
        If an amount is out of range or no number.
    """

    amount: float | tuple[float, float]
    fill: float = 0.0
    fill_mode: str = "constant"

    def __post_init__(self) -> None:
        _check_mode("RandomShift", self.fill_mode)
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
        return warp(
            x, np.broadcast_to(np.eye(2), (N, 2, 2)), -shift, self.fill_mode, self.fill
        ), y


@dataclass(frozen=True)
class RandomRotation:
    """Images turned around their centre by a random angle.

    Parameters
    ----------
    degrees : float
        Largest angle in either direction, in ``[0, 180]``.
    fill : float, default 0
        What comes in from outside.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default "constant"
        Whether it is `fill`, the image's edge, the image mirrored, or the image again.

    Raises
    ------
    ValueError, TypeError
        If the angle is out of range or no number.
    """

    degrees: float
    fill: float = 0.0
    fill_mode: str = "constant"

    def __post_init__(self) -> None:
        _check_mode("RandomRotation", self.fill_mode)
        arguments.number("RandomRotation", "degrees", self.degrees, 0.0, 180.0)

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Turn the images."""
        arguments.images("RandomRotation", x)
        angle = (2 * draws.uniform()[:, 0] - 1) * math.radians(self.degrees)
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.stack([cosine, -sine, sine, cosine], axis=1).reshape(-1, 2, 2)
        return warp(x, matrix, np.zeros((len(x), 2)), self.fill_mode, self.fill), y


@dataclass(frozen=True)
class RandomZoom:
    """Images enlarged or made smaller around their centre by a random factor.

    Parameters
    ----------
    low, high : float
        Range of the factor; above 1 what is seen becomes larger. In ``[0.1, 10]``.
    fill : float, default 0
        What comes in from outside.
    fill_mode : {"constant", "nearest", "reflect", "wrap"}, default "constant"
        Whether it is `fill`, the image's edge, the image mirrored, or the image again.

    Raises
    ------
    ValueError, TypeError
        If a factor is out of range or no number, or `low` is above `high`.
    """

    low: float
    high: float
    fill: float = 0.0
    fill_mode: str = "constant"

    def __post_init__(self) -> None:
        _check_mode("RandomZoom", self.fill_mode)
        arguments.number("RandomZoom", "low", self.low, 0.1, 10.0)
        arguments.number("RandomZoom", "high", self.high, self.low, 10.0)

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Zoom the images."""
        arguments.images("RandomZoom", x)
        # Evenly spread logarithms: doubling is as likely as halving.
        low, high = math.log(self.low), math.log(self.high)
        factor = np.exp(low + draws.uniform()[:, 0] * (high - low))
        matrix = np.eye(2) / factor[:, None, None]
        return warp(x, matrix, np.zeros((len(x), 2)), self.fill_mode, self.fill), y


def _check_mode(step: str, fill_mode: str) -> None:
    if fill_mode not in FILL_MODES:
        raise ValueError(
            f"{step}: fill_mode must be one of {', '.join(FILL_MODES)}, got "
            f"{fill_mode!r}"
        )
