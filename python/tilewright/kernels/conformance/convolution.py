"""A convolution as the cases of convolution write it down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilewright.kernels import shapes
from tilewright.kernels.backends.protocol import PaddingLike, PairLike


@dataclass(frozen=True)
class Problem:
    """The sizes and steps of a convolution."""

    N: int
    H: int
    W: int
    C: int
    K: int
    R: int = 3
    S: int = 3
    stride: PairLike = 1
    padding: PaddingLike = 0
    dilation: PairLike = 1
    groups: int = 1

    def __str__(self) -> str:
        text = f"{self.N}x{self.H}x{self.W}x{self.C}->{self.K} {self.R}x{self.S}"
        for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1)):
            value = getattr(self, name)
            text += f" {name} {value}" if value != usual else ""
        return text + (f" groups {self.groups}" if self.groups > 1 else "")

    @property
    def x(self) -> tuple[int, int, int, int]:
        """The shape of the input."""
        return self.N, self.H, self.W, self.C

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """The shape of the weight."""
        return self.R, self.S, self.C // self.groups, self.K

    @property
    def y(self) -> tuple[int, ...]:
        """The shape of the output."""
        return shapes.conv(
            "conv2d", self.x, self.weight, self.stride, self.padding, self.dilation,
            self.groups,
        ).output_shape  # fmt: skip

    @property
    def steps(self) -> dict[str, Any]:
        """The options that all functions take."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }
