"""Convolution layers."""

from __future__ import annotations

import math

import numpy as np

from tilewright.autograd import Tensor
from tilewright.nn import functional, init, sizes
from tilewright.nn.module import Module
from tilewright.nn.parameter import Parameter
from tilewright.nn.types import PaddingLike, PairLike, TensorLike


class Conv2d(Module):
    """Two-dimensional convolution of images, channels last.

    Parameters
    ----------
    in_channels, out_channels : int
        C and K.
    kernel_size : int or pair
        R and S.
    stride, dilation : int or pair, default 1
    padding : int, pair, "valid" or "same", default 0
    groups : int, default 1
        Divides C and K; ``groups=in_channels`` is the depthwise convolution.
    bias : bool, default True

    Attributes
    ----------
    weight : Parameter, shape (R, S, C / groups, K)
    bias : Parameter, shape (K,), or None
        Both are drawn from U(-b, b) with ``b = 1 / sqrt(R S C / groups)``, as in
        PyTorch.

    Raises
    ------
    ValueError
        If a size is out of range, or groups does not divide the channels.
    TypeError
        If a size is no int.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> layer = nn.Conv2d(3, 16, 3, stride=2, padding="same")
    >>> layer(np.zeros((4, 32, 32, 3), np.float32)).shape
    (4, 16, 16, 16)
    """

    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PairLike,
        stride: PairLike = 1,
        padding: PaddingLike = 0,
        dilation: PairLike = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        self.in_channels = sizes.positive("Conv2d", "in_channels", in_channels)
        self.out_channels = sizes.positive("Conv2d", "out_channels", out_channels)
        self.kernel_size = sizes.pair("Conv2d", "kernel_size", kernel_size)
        self.stride = sizes.pair("Conv2d", "stride", stride)
        self.padding = sizes.padding("Conv2d", padding)
        self.dilation = sizes.pair("Conv2d", "dilation", dilation)
        self.groups = sizes.positive("Conv2d", "groups", groups)
        for name, channels in (
            ("in_channels", in_channels),
            ("out_channels", out_channels),
        ):
            if channels % groups:
                raise ValueError(
                    f"Conv2d: groups must divide {name}={channels}, got {groups}"
                )
        shape = (*self.kernel_size, in_channels // groups, out_channels)
        self.weight = Parameter(np.empty(shape, np.float32))
        self.bias = Parameter(np.empty(out_channels, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: TensorLike) -> Tensor:
        """Convolve.

        Parameters
        ----------
        x : Tensor or ndarray, shape (N, H, W, C)

        Returns
        -------
        Tensor, shape (N, P, Q, K)
        """
        return functional.conv2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )

    def extra_repr(self) -> str:
        """Sizes, and the options that are not the default."""
        text = (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding not in ((0, 0), "valid"):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else text + ", bias=False"


class DepthwiseConv2d(Conv2d):
    """A convolution of each channel by itself.

    Parameters
    ----------
    in_channels : int
        C.
    kernel_size : int or pair
        R and S.
    stride, dilation : int or pair, default 1
    padding : int, pair, "valid" or "same", default 0
    depth_multiplier : int, default 1
        Filters a channel, D: output ``c * D + d`` is of channel c.
    bias : bool, default True

    Attributes
    ----------
    weight : Parameter, shape (R, S, 1, C * D)
    bias : Parameter, shape (C * D,), or None

    Raises
    ------
    ValueError
        If a size is out of range.
    TypeError
        If a size is no int.

    References
    ----------
    F. Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2017,
    https://arxiv.org/abs/1610.02357.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> layer = nn.DepthwiseConv2d(3, 3, padding="same", depth_multiplier=2)
    >>> layer(np.zeros((4, 32, 32, 3), np.float32)).shape
    (4, 32, 32, 6)
    """

    def __init__(
        self,
        in_channels: int,
        kernel_size: PairLike,
        stride: PairLike = 1,
        padding: PaddingLike = 0,
        dilation: PairLike = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
    ) -> None:
        name = "DepthwiseConv2d"
        channels = sizes.positive(name, "in_channels", in_channels)
        self.depth_multiplier = sizes.positive(
            name, "depth_multiplier", depth_multiplier
        )
        super().__init__(
            channels,
            channels * depth_multiplier,
            kernel_size,
            stride,
            padding,
            dilation,
            groups=channels,
            bias=bias,
        )
