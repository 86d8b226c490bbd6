"""Mirror images."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.data.augmentation import arguments
from tilewright.data.augmentation.pipeline import Draws
from tilewright.data.dataset import Array, Batch

_DIRECTIONS = ("horizontal", "vertical", "both")


@dataclass(frozen=True)
class RandomFlip:
    """Images mirrored with a probability of one half in each direction.

    Parameters
    ----------
    direction : {"horizontal", "vertical", "both"}, default "horizontal"
        Left and right exchanged, top and bottom, or each independently.

    Raises
    ------
    ValueError
        If the direction is another one.
    """

    direction: str = "horizontal"

    def __post_init__(self) -> None:
        if self.direction not in _DIRECTIONS:
            raise ValueError(
                f"RandomFlip: direction must be one of {', '.join(_DIRECTIONS)}, got "
                f"{self.direction!r}"
            )

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Mirror about half of the images."""
        arguments.images("RandomFlip", x)
        flips = draws.uniform() < 0.5
        x = x.copy()
        if self.direction != "vertical":
            x[flips[:, 0]] = x[flips[:, 0], :, ::-1]
        if self.direction != "horizontal":
            x[flips[:, 1]] = x[flips[:, 1], ::-1]
        return x, y
