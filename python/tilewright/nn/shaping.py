"""Layers that change the shape alone."""

from __future__ import annotations

from tilewright.autograd import Tensor
from tilewright.nn import functional
from tilewright.nn.module import Module
from tilewright.nn.types import TensorLike


class Flatten(Module):
    """Axes from `start_axis` to `end_axis` as one: images to rows of features.

    Parameters
    ----------
    start_axis, end_axis : int, default 1 and -1

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Flatten()(np.zeros((2, 3, 3, 64), np.float32)).shape
    (2, 576)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis = start_axis
        self.end_axis = end_axis

    def forward(self, x: TensorLike) -> Tensor:
        """Join the axes."""
        return functional.flatten(x, self.start_axis, self.end_axis)

    def extra_repr(self) -> str:
        """Both axes."""
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"
