"""Cases of convolution fused with max pooling, forward and both backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.kernels import shapes
from tilewright.kernels.backends.protocol import PairLike, Shape
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    Random,
    integers,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case
from tilewright.kernels.conformance.convolution import Problem
from tilewright.kernels.conformance.pool2d import codes

# Convolution, pooling window, pooling stride.
POOLED: tuple[tuple[Problem, PairLike, PairLike | None], ...] = (
    (Problem(2, 28, 28, 1, 32), 2, None),
    (Problem(2, 13, 13, 32, 64), 2, None),
    (Problem(1, 9, 10, 3, 17), 2, None),
    (Problem(1, 9, 10, 3, 7), 3, 2),
    (Problem(1, 9, 9, 3, 8), 2, 1),
    (Problem(1, 9, 9, 3, 8), 2, 3),
    (Problem(1, 10, 8, 3, 9), (1, 4), (2, 1)),
    (Problem(1, 3, 3, 1, 1), 1, None),
    (Problem(1, 16, 16, 2, 5), 14, None),
    (Problem(1, 20, 22, 2, 3), (15, 17), 2),
    (Problem(1, 20, 20, 2, 3), 16, None),
    (Problem(2, 11, 11, 4, 6, stride=2, padding=1), 2, None),
    (Problem(1, 12, 12, 6, 6, dilation=2, padding="same", groups=3), 2, None),
    (Problem(1, 10, 10, 9, 9, groups=9, padding=1), 3, None),
    (Problem(1, 40, 40, 2, 40, 1, 1), 2, None),
    (Problem(0, 6, 6, 2, 3), 2, None),
    *((Problem(1, 6, 7, 2, length), 2, None) for length in LENGTHS),
)
# With small whole numbers: windows hold their maximum more than once, and relu meets
# zeros. No 3 x 3 of stride 1, which algorithms that round may take.
TIED: tuple[tuple[Problem, PairLike, PairLike | None], ...] = (
    (Problem(2, 13, 13, 2, 33, 2, 2), 2, None),
    (Problem(1, 12, 13, 1, 17, 1, 1), 3, 2),
    (Problem(2, 15, 15, 3, 16, stride=2, padding=1), 2, None),
    (Problem(1, 14, 14, 8, 8, groups=8, dilation=2, padding=1), (2, 3), (1, 2)),
    (Problem(1, 20, 20, 1, 3, 2, 1), 16, 1),
)


def _name(d: Problem, window: PairLike, stride: PairLike | None) -> str:
    return f"{d} pooled {window} stride {stride}"


def _pooling(
    d: Problem, window: PairLike, stride: PairLike | None
) -> shapes.PoolGeometry:
    return shapes.pool("pool2d", d.y, window, stride, 0)


def _pooled(
    d: Problem,
    window: PairLike,
    stride: PairLike | None,
    activation: str,
    random: Random = normal,
) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        options = {
            **d.steps,
            "bias": random(rng, d.K),
            "activation": activation,
            "pool_stride": stride,
        }
        return Arguments((random(rng, *d.x), random(rng, *d.weight), window), options)

    name = f"{_name(d, window, stride)} {activation} {random.__name__}"
    return Case("conv2d_max_pool2d", name, build)


def _backward(
    d: Problem, window: PairLike, stride: PairLike | None, share: float
) -> Iterator[Case]:
    """Yield the backward passes with a share of the windows letting nothing through."""
    pooling = _pooling(d, window, stride)
    steps: dict[str, Any] = {**d.steps, "pool_stride": stride}

    def backward_input(rng: np.random.Generator) -> Arguments:
        dy = normal(rng, *pooling.output_shape)
        taps = codes(rng, pooling.output_shape, pooling.window, share)
        return Arguments((dy, taps, normal(rng, *d.weight), d.x, window), steps)

    def backward_weight(rng: np.random.Generator) -> Arguments:
        dy = normal(rng, *pooling.output_shape)
        taps = codes(rng, pooling.output_shape, pooling.window, share)
        return Arguments((normal(rng, *d.x), dy, taps, (d.R, d.S), window), steps)

    name = f"{_name(d, window, stride)} {share:.0%} without a gradient"
    yield Case("conv2d_max_pool2d_backward_input", name, backward_input)
    yield Case("conv2d_max_pool2d_backward_weight", name, backward_weight)


def _options() -> Iterator[Case]:
    d, window = Problem(2, 9, 10, 3, 17, padding=1), 2
    shape = _pooling(d, window, None).output_shape
    steps = d.steps

    def into_out(rng: np.random.Generator) -> Arguments:
        options = {**steps, "out": np.full(d.x, np.nan, np.float32)}
        dy, taps = normal(rng, *shape), codes(rng, shape, (2, 2))
        return Arguments((dy, taps, normal(rng, *d.weight), d.x, window), options)

    yield Case("conv2d_max_pool2d_backward_input", "into out", into_out)
    for how in LAYOUTS:

        def backward_input(rng: np.random.Generator, how: Layout = how) -> Arguments:
            dy, taps = how(normal(rng, *shape)), how(codes(rng, shape, (2, 2)))
            weight = how(normal(rng, *d.weight))
            return Arguments((dy, taps, weight, d.x, window), steps)

        def backward_weight(rng: np.random.Generator, how: Layout = how) -> Arguments:
            dy, taps = how(normal(rng, *shape)), how(codes(rng, shape, (2, 2)))
            x = how(normal(rng, *d.x))
            return Arguments((x, dy, taps, (d.R, d.S), window), steps)

        def forward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            arrays = how(normal(rng, *d.x)), how(normal(rng, *d.weight))
            return Arguments((*arrays, window), {**steps, "activation": "relu"})

        name = f"inputs {how.__name__}"
        yield Case("conv2d_max_pool2d", name, forward)
        yield Case("conv2d_max_pool2d_backward_input", name, backward_input)
        yield Case("conv2d_max_pool2d_backward_weight", name, backward_weight)


def _special_values() -> Iterator[Case]:
    # No tiles, where NaN would reach a whole one; no padding, whose product with NaN
    # some algorithms leave out.
    d, window = Problem(2, 13, 12, 3, 5, stride=2), 2
    shape: Shape = _pooling(d, window, None).output_shape

    def nan(rng: np.random.Generator) -> Arguments:
        x = with_nan(normal(rng, *d.x), 0.02, rng)
        options = {**d.steps, "activation": "relu"}
        return Arguments((x, normal(rng, *d.weight), window), options)

    def dead(rng: np.random.Generator) -> Arguments:
        # What no tap lets through does not matter, even where it is NaN.
        taps = np.full(shape, shapes.no_gradient((2, 2)), np.uint8)
        dy = with_nan(normal(rng, *shape), 0.5, rng)
        return Arguments((dy, taps, normal(rng, *d.weight), d.x, window), d.steps)

    def dead_weight(rng: np.random.Generator) -> Arguments:
        taps = np.full(shape, shapes.no_gradient((2, 2)), np.uint8)
        dy = with_nan(normal(rng, *shape), 0.5, rng)
        return Arguments((normal(rng, *d.x), dy, taps, (d.R, d.S), window), d.steps)

    yield Case("conv2d_max_pool2d", "NaN wins and keeps its gradient", nan)
    yield Case("conv2d_max_pool2d_backward_input", "no gradient at all", dead)
    yield Case("conv2d_max_pool2d_backward_weight", "no gradient at all", dead_weight)


def _cases() -> Iterator[Case]:
    for problem, window, stride in POOLED:
        for activation in ("none", "relu"):
            yield _pooled(problem, window, stride, activation)
        for share in (0.1, 0.7):
            yield from _backward(problem, window, stride, share)
    for problem, window, stride in TIED:
        for activation in ("none", "relu"):
            yield _pooled(problem, window, stride, activation, integers)
    yield from _options()
    yield from _special_values()


CASES = tuple(_cases())
