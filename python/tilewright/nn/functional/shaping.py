"""Differentiable flattening: images to rows of features."""

from __future__ import annotations

from tilewright.autograd import Tensor
from tilewright.nn.functional.inputs import as_tensor
from tilewright.nn.types import TensorLike


def flatten(x: TensorLike, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """Axes from `start_axis` to `end_axis` as one, in C order.

    Parameters
    ----------
    x : Tensor or ndarray
    start_axis, end_axis : int, default 0 and -1
        First and last of the axes that are joined.

    Returns
    -------
    Tensor
        A view of x where its memory allows.

    Raises
    ------
    ValueError
        If x has no such axes.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.flatten(np.zeros((2, 3, 3, 8), np.float32), 1).shape
    (2, 72)
    """
    return as_tensor("flatten", x).flatten(start_axis, end_axis)
