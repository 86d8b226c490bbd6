"""Bytes to floats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilewright.data.augmentation.pipeline import Draws
from tilewright.data.dataset import Array, Batch


@dataclass(frozen=True)
class Rescale:
    """``x * scale + offset`` as float32: the first step over images kept as bytes.

    Parameters
    ----------
    scale : float
    offset : float, default 0

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import data
    >>> pixels = np.full((1, 2, 2, 1), 255, np.uint8)
    >>> step = data.Augmentation(data.augmentation.Rescale(1 / 255))
    >>> x, _ = data.ArrayDataset(pixels, np.zeros(1), step).gather(slice(1))
    >>> x.dtype, float(x.max())
    (dtype('float32'), 1.0)
    """

    scale: float
    offset: float = 0.0

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Rescale the inputs."""
        scaled = np.multiply(x, np.float32(self.scale), dtype=np.float32)
        if self.offset:
            scaled += np.float32(self.offset)
        return scaled, y
