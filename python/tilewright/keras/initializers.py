"""Initial values of weights, with Keras's formulas.

Each is called with the shape and the two fans, and draws from tilewright's generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import random
from tilewright.keras.naming import resolve

Shape = tuple[int, ...]
Fans = tuple[int, int]


class Initializer:
    """Base of initializers.

    Examples
    --------
    >>> from tilewright.keras import initializers
    >>> initializers.Constant(2.0)((2,), (1, 1))
    array([2., 2.], dtype=float32)
    """

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape, for a weight of these fans (in, out)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same again."""
        return dict(vars(self))


class Constant(Initializer):
    """One value everywhere."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape."""
        return np.full(shape, self.value, np.float32)


class Zeros(Initializer):
    """0 everywhere."""

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape."""
        return np.zeros(shape, np.float32)


class Ones(Initializer):
    """1 everywhere."""

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape."""
        return np.ones(shape, np.float32)


class RandomUniform(Initializer):
    """Between two bounds, evenly."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape."""
        values = _generator(self.seed).uniform(self.minval, self.maxval, shape)
        return values.astype(np.float32)


class RandomNormal(Initializer):
    """Normally distributed."""

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None
    ) -> None:
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape."""
        values = _generator(self.seed).normal(self.mean, self.stddev, shape)
        return values.astype(np.float32)


class TruncatedNormal(RandomNormal):
    """Normally distributed, drawn anew beyond two standard deviations."""

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape."""
        values = _truncated(_generator(self.seed), shape)
        return (self.mean + self.stddev * values).astype(np.float32)


class VarianceScaling(Initializer):
    """A variance of ``scale`` over a fan.

    Parameters
    ----------
    scale : float, default 1.0
    mode : {"fan_in", "fan_out", "fan_avg"}, default "fan_in"
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
    seed : int, optional
        By default from `tw.manual_seed`.

    Raises
    ------
    ValueError
        If there is no such mode or distribution.

    References
    ----------
    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward
    neural networks", 2010; K. He et al., "Delving Deep into Rectifiers", 2015.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f"VarianceScaling: unknown mode {mode!r}")
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(f"VarianceScaling: unknown distribution {distribution!r}")
        self.scale, self.mode = scale, mode
        self.distribution, self.seed = distribution, seed

    def __call__(self, shape: Shape, fans: Fans) -> NDArray[np.float32]:
        """Values of a shape, for a weight of these fans (in, out)."""
        fan_in, fan_out = fans
        fan = {"fan_in": fan_in, "fan_out": fan_out}.get(
            self.mode, (fan_in + fan_out) / 2
        )
        variance = self.scale / max(1.0, fan)
        generator = _generator(self.seed)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return generator.uniform(-limit, limit, shape).astype(np.float32)
        if self.distribution == "untruncated_normal":
            values = generator.normal(0.0, math.sqrt(variance), shape)
            return values.astype(np.float32)
        # What the truncation takes of the deviation.
        deviation = math.sqrt(variance) / 0.87962566103423978
        return (deviation * _truncated(generator, shape)).astype(np.float32)


def _generator(seed: int | None) -> np.random.Generator:
    return random.generator() if seed is None else np.random.default_rng(seed)


def _truncated(generator: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    values = np.asarray(generator.standard_normal(shape))
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = generator.standard_normal(int(beyond.sum()))
    return values


def _scaling(
    scale: float, mode: str, distribution: str
) -> Callable[..., VarianceScaling]:
    def make(seed: int | None = None) -> VarianceScaling:
        return VarianceScaling(scale, mode, distribution, seed)

    return make


GlorotUniform = _scaling(1.0, "fan_avg", "uniform")
GlorotNormal = _scaling(1.0, "fan_avg", "truncated_normal")
HeUniform = _scaling(2.0, "fan_in", "uniform")
HeNormal = _scaling(2.0, "fan_in", "truncated_normal")
LecunUniform = _scaling(1.0, "fan_in", "uniform")
LecunNormal = _scaling(1.0, "fan_in", "truncated_normal")

_KNOWN: dict[str, Callable[[], Initializer]] = {
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "lecun_normal": LecunNormal,
    "lecun_uniform": LecunUniform,
    "ones": Ones,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "zeros": Zeros,
}


def get(initializer: Any) -> Initializer:
    """An initializer by its name, or itself.

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is neither a name nor an Initializer.
    """
    found = resolve("initializer", initializer, _KNOWN)
    if not isinstance(found, Initializer):
        raise TypeError(
            "an initializer must be a name or one of keras.initializers, got "
            f"{type(found).__name__}"
        )
    return found
