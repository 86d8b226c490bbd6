"""Images with a hole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilewright.data.augmentation import arguments
from tilewright.data.augmentation.pipeline import Draws
from tilewright.data.dataset import Array, Batch


@dataclass(frozen=True)
class Cutout:
    """A rectangle in each image overwritten, its centre anywhere in the image.

    Parameters
    ----------
    size : int or pair
        Rows and columns of the rectangle; near the border less of it is seen.
    fill : float, default 0

    Raises
    ------
    ValueError, TypeError
        If a size is out of range or no int.

    References
    ----------
    T. DeVries, G. Taylor, "Improved Regularization of Convolutional Neural Networks
    with Cutout", 2017, https://arxiv.org/abs/1708.04552.
    """

    size: int | tuple[int, int]
    fill: float = 0.0

    def __post_init__(self) -> None:
        arguments.pair("Cutout", "size", self.size, 1)

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Overwrite the rectangles."""
        _, H, W, _ = arguments.images("Cutout", x)
        rows, columns = arguments.pair("Cutout", "size", self.size, 1)
        centre = (draws.uniform()[:, :2] * (H, W)).astype(np.int64)
        row = np.arange(H) - (centre[:, 0, None] - rows // 2)
        column = np.arange(W) - (centre[:, 1, None] - columns // 2)
        hole = ((row >= 0) & (row < rows))[:, :, None] & (
            (column >= 0) & (column < columns)
        )[:, None, :]
        return np.where(hole[..., None], x.dtype.type(self.fill), x), y
