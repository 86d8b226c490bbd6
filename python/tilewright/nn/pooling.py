"""Pooling layers, over windows of pixels and over all of them."""

from __future__ import annotations

from tilewright.autograd import Tensor
from tilewright.nn import functional, sizes
from tilewright.nn.module import Module
from tilewright.nn.types import PairLike, TensorLike


def _check_window(
    layer: str, kernel_size: PairLike, stride: PairLike | None, padding: PairLike
) -> None:
    R, S = sizes.pair(layer, "kernel_size", kernel_size)
    if stride is not None:
        sizes.pair(layer, "stride", stride)
    rows, columns = sizes.pair(layer, "padding", padding, 0)
    if 2 * rows > R or 2 * columns > S:
        raise ValueError(
            f"{layer}: padding must be at most half of the window, got {padding} for "
            f"kernel_size {kernel_size}"
        )


class MaxPool2d(Module):
    """Maximum of each window.

    Parameters
    ----------
    kernel_size : int or pair
        Rows and columns of the window.
    stride : int or pair, optional
        By default the window.
    padding : int or pair, default 0
        On each side, at most half of the window; padding never wins.

    Raises
    ------
    ValueError
        If a size is out of range.
    TypeError
        If a size is no int.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.MaxPool2d(2)(np.zeros((1, 28, 28, 3), np.float32)).shape
    (1, 14, 14, 3)
    """

    def __init__(
        self,
        kernel_size: PairLike,
        stride: PairLike | None = None,
        padding: PairLike = 0,
    ) -> None:
        _check_window("MaxPool2d", kernel_size, stride, padding)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, x: TensorLike) -> Tensor:
        """Pool images (N, H, W, C) to (N, P, Q, C)."""
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        """All sizes."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}"
        )


class AvgPool2d(Module):
    """Mean of each window.

    Parameters
    ----------
    kernel_size : int or pair
        Rows and columns of the window.
    stride : int or pair, optional
        By default the window.
    padding : int or pair, default 0
        On each side, at most half of the window.
    count_include_pad : bool, default True
        Divide by the window's size, not by its pixels that are no padding.

    Raises
    ------
    ValueError
        If a size is out of range.
    TypeError
        If a size is no int.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.AvgPool2d(2)(np.zeros((1, 28, 28, 3), np.float32)).shape
    (1, 14, 14, 3)
    """

    def __init__(
        self,
        kernel_size: PairLike,
        stride: PairLike | None = None,
        padding: PairLike = 0,
        count_include_pad: bool = True,
    ) -> None:
        _check_window("AvgPool2d", kernel_size, stride, padding)
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.count_include_pad = count_include_pad

    def forward(self, x: TensorLike) -> Tensor:
        """Pool images (N, H, W, C) to (N, P, Q, C)."""
        return functional.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.count_include_pad
        )

    def extra_repr(self) -> str:
        """All sizes."""
        text = (
            f"kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}"
        )
        return text if self.count_include_pad else text + ", count_include_pad=False"


class GlobalMaxPool2d(Module):
    """Maximum of each channel over all pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.GlobalMaxPool2d()(np.zeros((2, 7, 7, 64), np.float32)).shape
    (2, 64)
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Pool images (N, H, W, C) to (N, C)."""
        return functional.global_max_pool2d(x)


class GlobalAvgPool2d(Module):
    """Mean of each channel over all pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.GlobalAvgPool2d()(np.zeros((2, 7, 7, 64), np.float32)).shape
    (2, 64)
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Pool images (N, H, W, C) to (N, C)."""
        return functional.global_avg_pool2d(x)
