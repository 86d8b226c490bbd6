"""Weighted means of two samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilewright.data.augmentation import arguments
from tilewright.data.augmentation.pipeline import Draws
from tilewright.data.dataset import Array, Batch

_TURNS = 2**16


@dataclass(frozen=True)
class MixUp:
    """Each sample mixed with another one of the data set, and so its target.

    ``x = w x1 + (1 - w) x2`` with w drawn from Beta(alpha, alpha). The other sample
    is any of the data set, seen through the steps before this one. Class ids become
    probabilities ``(B, classes)``: the loss has to take such targets.

    Parameters
    ----------
    alpha : float, default 0.2
        In ``(0, 2]``; the smaller, the less is mixed.
    classes : int, optional
        Number of classes where targets are class ids; without it targets are numbers
        and mixed as they are.

    Raises
    ------
    ValueError, TypeError
        If alpha or the number of classes is out of range or no number.

    References
    ----------
    H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk
    Minimization", 2018, https://arxiv.org/abs/1710.09412. The weights are drawn by
    M. Jöhnk, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen",
    Metrika 8, 1964.
    """

    alpha: float = 0.2
    classes: int | None = None

    def __post_init__(self) -> None:
        arguments.number("MixUp", "alpha", self.alpha, 1e-3, 2.0)
        if self.classes is not None:
            arguments.pair("MixUp", "classes", self.classes, 1)

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Mix inputs and targets.

        Raises
        ------
        ValueError
            If a target is no class id.
        """
        partner = (draws.uniform()[:, 0] * draws.samples).astype(np.int64)
        other_x, other_y = draws.others(partner)
        weight = _beta(self.alpha, draws)
        return (
            _mean(x, other_x, weight),
            _mean(self._target(y), self._target(other_y), weight),
        )

    def _target(self, y: Array) -> Array:
        if self.classes is None:
            return y
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise ValueError(
                f"MixUp: expected class ids (N,), got {y.dtype} of shape {y.shape}"
            )
        if y.size and not 0 <= y.min() <= y.max() < self.classes:
            raise ValueError(
                f"MixUp: class ids must be in [0, {self.classes}), got "
                f"{y.min()} to {y.max()}"
            )
        return np.eye(self.classes, dtype=np.float32)[y]


def _mean(one: Array, other: Array, weight: NDArray[np.float64]) -> Array:
    kind = one.dtype if one.dtype.kind == "f" else np.dtype(np.float32)
    share = weight.astype(kind).reshape(-1, *[1] * (one.ndim - 1))
    mixed: Array = share * one + (1 - share) * other
    return mixed


def _beta(alpha: float, draws: Draws) -> NDArray[np.float64]:
    """Numbers from Beta(alpha, alpha), one for each sample, by Jöhnk's rejection."""
    result = np.full(len(draws.uniform()), 0.5)
    wanting = np.ones(len(result), bool)
    for turn in range(1, _TURNS):
        # Logarithms: a power of 1 / alpha would leave the floats' range.
        first, second = np.log(draws.uniform(turn)[:, :2] + 2.0**-25).T / alpha
        both = np.logaddexp(first, second)
        accepted = wanting & (both <= 0)
        result[accepted] = np.exp(first - both)[accepted]
        wanting &= ~accepted
        if not wanting.any():
            break
    return result
