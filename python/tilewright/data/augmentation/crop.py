"""Pieces of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilewright.data.augmentation import arguments
from tilewright.data.augmentation.pipeline import Draws
from tilewright.data.dataset import Array, Batch


@dataclass(frozen=True)
class RandomCrop:
    """A piece of each image, at a random place.

    Parameters
    ----------
    size : int or pair
        Rows and columns of the piece.
    padding : int or pair, default 0
        Rows and columns of `fill` put around the image first, on each side.
    fill : float, default 0

    Raises
    ------
    ValueError, TypeError
        If a size is out of range or no int.
    """

    size: int | tuple[int, int]
    padding: int | tuple[int, int] = 0
    fill: float = 0.0

    def __post_init__(self) -> None:
        arguments.pair("RandomCrop", "size", self.size, 1)
        arguments.pair("RandomCrop", "padding", self.padding, 0)

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Cut the pieces out.

        Raises
        ------
        ValueError
            If the padded images are smaller than the piece.
        """
        N, H, W, _ = arguments.images("RandomCrop", x)
        rows, columns = arguments.pair("RandomCrop", "size", self.size, 1)
        above, left = arguments.pair("RandomCrop", "padding", self.padding, 0)
        free = np.array([H + 2 * above - rows, W + 2 * left - columns])
        if free.min() < 0:
            raise ValueError(
                f"RandomCrop: size {(rows, columns)} is larger than the images "
                f"{(H + 2 * above, W + 2 * left)}"
            )
        around = ((0, 0), (above, above), (left, left), (0, 0))
        padded = np.pad(x, around, constant_values=self.fill)
        start = (draws.uniform()[:, :2] * (free + 1)).astype(np.int64)
        row = start[:, 0, None] + np.arange(rows)
        column = start[:, 1, None] + np.arange(columns)
        image = np.arange(N)[:, None, None]
        return padded[image, row[:, :, None], column[:, None, :]], y
