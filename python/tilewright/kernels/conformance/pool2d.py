"""Cases of max and average pooling, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.kernels import shapes
from tilewright.kernels.backends.protocol import Array, PairLike, Shape
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    integers,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case


@dataclass(frozen=True)
class Problem:
    """The sizes and steps of a pooling."""

    N: int
    H: int
    W: int
    C: int
    window: PairLike
    stride: PairLike | None = None
    padding: PairLike = 0

    def __str__(self) -> str:
        text = f"{self.N}x{self.H}x{self.W}x{self.C} window {self.window}"
        text += f" stride {self.stride}" if self.stride is not None else ""
        return text + (f" padding {self.padding}" if self.padding else "")

    @property
    def x(self) -> tuple[int, int, int, int]:
        """The shape of the input."""
        return self.N, self.H, self.W, self.C

    @property
    def geometry(self) -> shapes.PoolGeometry:
        """The checked sizes."""
        return shapes.pool("pool2d", self.x, self.window, self.stride, self.padding)

    @property
    def steps(self) -> dict[str, Any]:
        """The options that all functions take."""
        return {"stride": self.stride, "padding": self.padding}


PROBLEMS = (
    Problem(2, 26, 26, 32, 2),
    Problem(2, 11, 11, 64, 2),
    Problem(1, 14, 14, 24, 3, 2, 1),
    Problem(1, 1, 1, 1, 1),
    Problem(1, 1, 1, 3, 2, 1, 1),
    Problem(1, 5, 5, 3, 5),
    Problem(2, 5, 5, 3, 1),
    Problem(2, 5, 5, 3, 1, 2),
    Problem(1, 7, 8, 3, 2, 1),
    Problem(1, 7, 8, 3, 2, 3),
    Problem(1, 9, 8, 5, 2, (4, 3)),
    Problem(1, 7, 8, 3, 3, 1, 1),
    Problem(1, 8, 9, 5, (2, 3), (1, 2), (1, 0)),
    Problem(1, 8, 9, 5, (3, 2), (3, 1), (0, 1)),
    Problem(1, 9, 9, 4, 4, 3, 2),
    Problem(1, 6, 7, 2, (1, 7)),
    Problem(1, 7, 6, 2, (7, 1)),
    # 254 taps are the most that a byte's codes hold; 255 takes int32.
    Problem(1, 5, 130, 2, (2, 127)),
    Problem(1, 16, 17, 2, (15, 17)),
    Problem(1, 20, 20, 3, 16, 2, 8),
    Problem(1, 17, 16, 9, (17, 16)),
    Problem(0, 6, 6, 3, 2),
    *(Problem(1, 5, 6, length, 2) for length in LENGTHS),
    *(Problem(1, 5, 5, length, 3, 2, 1) for length in LENGTHS),
    *(Problem(1, 3, length + 1, 3, 2, 1) for length in LENGTHS),
)
IMAGES = ((2, 3, 5, 7), (1, 1, 1, 4), (2, 16, 16, 17), (1, 13, 1, 33), (0, 2, 2, 3))


def codes(
    rng: np.random.Generator, shape: Shape, window: Any, share: float = 0.1
) -> Array:
    """Return random taps of a window, a share of them without a gradient."""
    taps = rng.integers(0, window[0] * window[1], shape)
    taps[rng.random(shape) < share] = shapes.no_gradient(window)
    return taps.astype(shapes.index_dtype(window))


def _passes(d: Problem) -> Iterator[Case]:
    geometry = d.geometry

    def maximum(rng: np.random.Generator) -> Arguments:
        # Few values: many windows hold their maximum more than once.
        return Arguments((integers(rng, *d.x), d.window), d.steps)

    def maximum_backward(rng: np.random.Generator) -> Arguments:
        taps = codes(rng, geometry.output_shape, geometry.window)
        dy = normal(rng, *geometry.output_shape)
        return Arguments((dy, taps, d.x, d.window), d.steps)

    yield Case("max_pool2d", str(d), maximum)
    yield Case("max_pool2d_backward", str(d), maximum_backward)
    for counted in (True, False):

        def mean(rng: np.random.Generator, counted: bool = counted) -> Arguments:
            options = {**d.steps, "count_include_pad": counted}
            return Arguments((normal(rng, *d.x), d.window), options)

        def mean_backward(
            rng: np.random.Generator, counted: bool = counted
        ) -> Arguments:
            options = {**d.steps, "count_include_pad": counted}
            dy = normal(rng, *geometry.output_shape)
            return Arguments((dy, d.x, d.window), options)

        suffix = "" if counted else " without the padding's count"
        yield Case("avg_pool2d", f"{d}{suffix}", mean)
        yield Case("avg_pool2d_backward", f"{d}{suffix}", mean_backward)


def _whole_images() -> Iterator[Case]:
    for shape in IMAGES:
        N, H, W, C = shape

        def forward(rng: np.random.Generator, shape: Shape = shape) -> Arguments:
            return Arguments((normal(rng, *shape),))

        def mean_backward(rng: np.random.Generator, shape: Shape = shape) -> Arguments:
            return Arguments((normal(rng, shape[0], shape[3]), shape))

        def maximum_backward(
            rng: np.random.Generator, shape: Shape = shape
        ) -> Arguments:
            ends = shape[0], shape[3]
            taps = codes(rng, ends, shape[1:3])
            return Arguments((normal(rng, *ends), taps, shape))

        name = f"{N}x{H}x{W}x{C}"
        yield Case("global_max_pool2d", name, forward)
        yield Case("global_avg_pool2d", name, forward)
        yield Case("global_avg_pool2d_backward", name, mean_backward)
        yield Case("global_max_pool2d_backward", name, maximum_backward)


def _special_values() -> Iterator[Case]:
    def nan(rng: np.random.Generator) -> Arguments:
        x = with_nan(integers(rng, 2, 8, 8, 19), 0.1, rng)
        return Arguments((x, 3), {"stride": 2, "padding": 1})

    def infinite(rng: np.random.Generator) -> Arguments:
        # The padding is no -infinity that could win with a tap of its own.
        return Arguments(
            (np.full((1, 4, 4, 18), -np.inf, np.float32), 2),
            {"padding": 1},
        )

    def negative(rng: np.random.Generator) -> Arguments:
        return Arguments((-1 - np.abs(normal(rng, 1, 5, 5, 17)), 3), {"padding": 1})

    def mixed(rng: np.random.Generator) -> Arguments:
        values = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0, 1.0], np.float32)
        return Arguments((rng.choice(values, (3, 6, 6, 17)), 2))

    def mean(rng: np.random.Generator) -> Arguments:
        return Arguments((with_nan(normal(rng, 1, 6, 6, 17), 0.02, rng), 2))

    def dead(rng: np.random.Generator) -> Arguments:
        # A gradient that is let through nowhere, even where it is NaN.
        taps = np.full((1, 3, 3, 17), shapes.no_gradient((2, 2)), np.uint8)
        dy = with_nan(normal(rng, 1, 3, 3, 17), 0.5, rng)
        return Arguments((dy, taps, (1, 6, 6, 17), 2))

    yield Case("max_pool2d", "the first NaN wins", nan)
    yield Case("max_pool2d", "padding never wins over -infinity", infinite)
    yield Case("max_pool2d", "padding never wins over negative numbers", negative)
    yield Case("max_pool2d", "infinities, NaN and both zeros", mixed)
    yield Case("avg_pool2d", "NaN reaches its windows alone", mean)
    yield Case("max_pool2d_backward", "no gradient at all", dead)


def _awkward() -> Iterator[Case]:
    for how in LAYOUTS:

        def forward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(normal(rng, 2, 5, 6, 7)), 2))

        def backward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            taps = how(codes(rng, (2, 2, 3, 7), (2, 2)))
            return Arguments((how(normal(rng, 2, 2, 3, 7)), taps, (2, 5, 6, 7), 2))

        def mean_backward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(normal(rng, 2, 2, 3, 7)), (2, 5, 6, 7), 2))

        name = f"inputs {how.__name__}"
        yield Case("max_pool2d", name, forward)
        yield Case("avg_pool2d", name, forward)
        yield Case("max_pool2d_backward", name, backward)
        yield Case("avg_pool2d_backward", name, mean_backward)


def _cases() -> Iterator[Case]:
    for problem in dict.fromkeys(PROBLEMS):
        yield from _passes(problem)
    yield from _whole_images()
    yield from _special_values()
    yield from _awkward()


CASES = tuple(_cases())
