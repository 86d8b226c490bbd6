"""The checks of layers' sizes: an error when a model is built, not when it runs."""

from __future__ import annotations

from tilewright.kernels import checks, shapes
from tilewright.nn.types import PaddingLike, PairLike

Pair = tuple[int, int]


def positive(layer: str, name: str, value: int) -> int:
    """Return an int that is at least 1."""
    return checks.integer(layer, name, value, 1)


def pair(layer: str, name: str, value: PairLike, minimum: int = 1) -> Pair:
    """Return an int or a pair as a pair, each at least `minimum`."""
    return shapes.pair(layer, name, value, minimum)


def padding(layer: str, value: PaddingLike) -> Pair | str:
    """Return a convolution's padding as a pair, or "valid" or "same"."""
    return shapes.conv_padding(layer, value)
