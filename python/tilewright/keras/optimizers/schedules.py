"""Learning rates as functions of the step, under their Keras names."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Any

__all__ = [
    "CosineDecay",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


class LearningRateSchedule:
    """Base of schedules: a function from the number of steps done to a rate."""

    def __call__(self, step: int) -> float:
        """The rate of the step after `step` others."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same again."""
        return {name: v for name, v in vars(self).items() if name != "name"}


class ExponentialDecay(LearningRateSchedule):
    """``initial * decay_rate ** (step / decay_steps)``.

    Examples
    --------
    >>> from tilewright.keras.optimizers import schedules
    >>> schedules.ExponentialDecay(1.0, 10, 0.5)(20)
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: int) -> float:
        """The rate of a step."""
        power = step / self.decay_steps
        if self.staircase:
            power = math.floor(power)
        rate: float = self.initial_learning_rate * self.decay_rate**power
        return rate


class InverseTimeDecay(ExponentialDecay):
    """``initial / (1 + decay_rate * step / decay_steps)``."""

    def __call__(self, step: int) -> float:
        """The rate of a step."""
        times = step / self.decay_steps
        if self.staircase:
            times = math.floor(times)
        return self.initial_learning_rate / (1 + self.decay_rate * times)


class PolynomialDecay(LearningRateSchedule):
    """From the initial rate to the last one along a power of the time left."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 1e-4,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: int) -> float:
        """The rate of a step."""
        total = float(self.decay_steps)
        if self.cycle:
            total *= max(1, math.ceil(step / self.decay_steps))
        else:
            step = min(step, self.decay_steps)
        span = self.initial_learning_rate - self.end_learning_rate
        rate: float = span * (1 - step / total) ** self.power + self.end_learning_rate
        return rate


class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` up to and with step ``boundaries[i]``.

    Raises
    ------
    ValueError
        If there is not one value more than boundaries.
    """

    def __init__(
        self,
        boundaries: Sequence[int],
        values: Sequence[float],
        name: str | None = None,
    ) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"PiecewiseConstantDecay: {len(boundaries)} boundaries need "
                f"{len(boundaries) + 1} values, got {len(values)}"
            )
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name

    def __call__(self, step: int) -> float:
        """The rate of a step."""
        return self.values[bisect.bisect_left(self.boundaries, step)]


class CosineDecay(LearningRateSchedule):
    """Half a period of the cosine, after a linear rise where one is asked for.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    alpha : float, default 0.0
        The last rate as a share of the one that falls.
    warmup_target : float, optional
        Where the rise ends and the fall begins.
    warmup_steps : int, default 0
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str | None = None,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        """The rate of a step."""
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            target = self.warmup_target
            if step < self.warmup_steps:
                return top + (target - top) * step / self.warmup_steps
            top, step = target, step - self.warmup_steps
        done = min(step, self.decay_steps) / self.decay_steps
        share = (1 + math.cos(math.pi * done)) / 2
        return top * ((1 - self.alpha) * share + self.alpha)
