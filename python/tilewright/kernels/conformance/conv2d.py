"""Cases of convolution and its two backward passes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tilewright.kernels.conformance import conv2d_max_pool2d
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case
from tilewright.kernels.conformance.convolution import Problem
from tilewright.kernels.gemm import ACTIVATIONS

PROBLEMS = (
    # The layers of the MNIST network, and others of well-known networks.
    Problem(2, 28, 28, 1, 32),
    Problem(2, 13, 13, 32, 64),
    Problem(3, 5, 5, 64, 64),
    Problem(1, 32, 32, 3, 64, 7, 7, stride=2, padding=3),
    Problem(1, 16, 16, 3, 24, padding=1),
    Problem(1, 14, 14, 64, 128, stride=2, padding=1),
    Problem(2, 9, 9, 96, 32, 1, 1),
    Problem(1, 14, 14, 32, 64, 1, 1, stride=2),
    # One pixel, one tap, one channel; kernels as large as the image.
    Problem(1, 1, 1, 1, 1, 1, 1),
    Problem(1, 3, 3, 1, 1),
    Problem(2, 5, 7, 3, 4, 5, 7),
    Problem(1, 1, 40, 5, 6, 1, 9),
    Problem(1, 40, 1, 5, 6, 9, 1),
    Problem(2, 4, 4, 2, 3, 2, 2),
    # Images smaller than their kernel; taps that meet nothing but padding.
    Problem(1, 1, 1, 2, 3, padding=1),
    Problem(2, 2, 3, 3, 5, 5, 5, padding=2),
    Problem(1, 3, 2, 2, 2, padding=4),
    # Strides and dilations that leave pixels out, and pairs that differ.
    Problem(2, 11, 10, 3, 5, stride=2),
    Problem(2, 11, 10, 3, 5, stride=3, padding=1),
    Problem(1, 9, 9, 4, 4, 1, 1, stride=4),
    Problem(1, 8, 9, 4, 5, 2, 2, stride=5),
    Problem(1, 12, 13, 3, 8, stride=(1, 2), padding=(0, 1)),
    Problem(1, 13, 12, 3, 8, stride=(3, 1), padding=(2, 0)),
    Problem(1, 12, 12, 3, 5, dilation=2),
    Problem(1, 12, 14, 3, 5, dilation=(1, 3), padding=(1, 3)),
    Problem(1, 15, 15, 4, 9, dilation=3, stride=2, padding=3),
    Problem(1, 9, 9, 2, 3, dilation=4),
    # Padding by name.
    Problem(1, 10, 11, 3, 8, padding="same"),
    Problem(1, 10, 11, 3, 8, padding="same", stride=2),
    Problem(1, 10, 11, 3, 8, 4, 2, padding="same"),
    Problem(1, 10, 11, 3, 8, 2, 4, padding="same", stride=3, dilation=2),
    Problem(1, 10, 11, 3, 8, padding="valid"),
    # Groups, and depthwise with and without several outputs a channel.
    Problem(2, 7, 8, 6, 4, groups=2),
    Problem(1, 6, 6, 48, 96, groups=3, padding=1),
    Problem(1, 6, 6, 12, 12, groups=4, stride=2),
    Problem(1, 6, 6, 10, 15, 1, 1, groups=5),
    Problem(2, 9, 9, 17, 17, groups=17, padding=1),
    Problem(1, 9, 10, 32, 32, groups=32, stride=2, padding=1),
    Problem(1, 11, 9, 16, 16, 5, 3, groups=16, dilation=2, padding=(2, 1)),
    Problem(1, 7, 7, 5, 15, groups=5, padding=1),
    Problem(1, 7, 7, 3, 3, groups=3, padding="same", stride=3),
    Problem(2, 9, 23, 10, 10, groups=5, padding=1),
    Problem(1, 9, 10, 40, 40, groups=10, padding=1),
    Problem(1, 9, 10, 36, 36, groups=9, stride=2, padding=(0, 1)),
    Problem(1, 8, 21, 24, 24, groups=3, padding=1),
    Problem(1, 11, 9, 32, 32, 5, 3, groups=4, dilation=2, padding=(2, 1)),
    # A batch of nothing.
    Problem(0, 5, 5, 3, 4),
    Problem(0, 5, 5, 4, 4, groups=4),
    *(Problem(1, 5, 6, 3, length) for length in LENGTHS),
    *(Problem(1, 5, 6, length, 5, padding=1) for length in LENGTHS),
    *(Problem(1, 4, length, 2, 9, 1, 3, padding=1) for length in LENGTHS),
    *(
        Problem(1, 4, 6, length, length, groups=length, padding=1)
        for length in LENGTHS
        if length > 1
    ),
)


def passes(d: Problem) -> Iterator[Case]:
    """Yield the three passes of a convolution."""

    def forward(rng: np.random.Generator) -> Arguments:
        options = {**d.steps, "bias": normal(rng, d.K)}
        return Arguments((normal(rng, *d.x), normal(rng, *d.weight)), options)

    def backward_input(rng: np.random.Generator) -> Arguments:
        arrays = normal(rng, *d.y), normal(rng, *d.weight)
        return Arguments((*arrays, d.x), d.steps)

    def backward_weight(rng: np.random.Generator) -> Arguments:
        arrays = normal(rng, *d.x), normal(rng, *d.y)
        return Arguments((*arrays, (d.R, d.S)), d.steps)

    yield Case("conv2d", str(d), forward)
    yield Case("conv2d_backward_input", str(d), backward_input)
    yield Case("conv2d_backward_weight", str(d), backward_weight)


def _options() -> Iterator[Case]:
    for activation in ACTIVATIONS:
        for d in (
            Problem(2, 8, 9, 3, 19, padding=1),
            Problem(2, 8, 9, 9, 9, padding=1, groups=9),
            Problem(1, 6, 6, 8, 12, 1, 1),
        ):

            def build(
                rng: np.random.Generator, d: Problem = d, activation: str = activation
            ) -> Arguments:
                options = {
                    **d.steps,
                    "bias": normal(rng, d.K),
                    "activation": activation,
                    "out": np.full(d.y, np.nan, np.float32),
                }
                return Arguments((normal(rng, *d.x), normal(rng, *d.weight)), options)

            yield Case("conv2d", f"{activation} into out, {d}", build)

    d = Problem(2, 6, 7, 3, 5, stride=2, padding=1)

    def no_bias(rng: np.random.Generator) -> Arguments:
        return Arguments((normal(rng, *d.x), normal(rng, *d.weight)), d.steps)

    def input_out(rng: np.random.Generator) -> Arguments:
        options = {**d.steps, "out": np.full(d.x, np.nan, np.float32)}
        return Arguments((normal(rng, *d.y), normal(rng, *d.weight), d.x), options)

    yield Case("conv2d", f"without bias, {d}", no_bias)
    yield Case("conv2d_backward_input", f"into out, {d}", input_out)


def _awkward() -> Iterator[Case]:
    d = Problem(2, 7, 6, 3, 5, padding=1)
    for how in LAYOUTS:

        def forward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            arrays = how(normal(rng, *d.x)), how(normal(rng, *d.weight))
            return Arguments(arrays, {**d.steps, "bias": how(normal(rng, d.K))})

        def backward_input(rng: np.random.Generator, how: Layout = how) -> Arguments:
            arrays = how(normal(rng, *d.y)), how(normal(rng, *d.weight))
            return Arguments((*arrays, d.x), d.steps)

        def backward_weight(rng: np.random.Generator, how: Layout = how) -> Arguments:
            arrays = how(normal(rng, *d.x)), how(normal(rng, *d.y))
            return Arguments((*arrays, (d.R, d.S)), d.steps)

        yield Case("conv2d", f"inputs {how.__name__}", forward)
        yield Case("conv2d_backward_input", f"inputs {how.__name__}", backward_input)
        yield Case("conv2d_backward_weight", f"inputs {how.__name__}", backward_weight)

    # No algorithm that works on tiles, where NaN would reach a whole one; and no
    # padding, whose product with NaN some leave out.
    d = Problem(2, 9, 8, 3, 5, stride=2)

    def nan_forward(rng: np.random.Generator) -> Arguments:
        x = with_nan(normal(rng, *d.x), 0.02, rng)
        options = {**d.steps, "activation": "relu"}
        return Arguments((x, normal(rng, *d.weight)), options)

    def nan_input(rng: np.random.Generator) -> Arguments:
        dy = with_nan(normal(rng, *d.y), 0.02, rng)
        return Arguments((dy, normal(rng, *d.weight), d.x), d.steps)

    def nan_weight(rng: np.random.Generator) -> Arguments:
        dy = normal(rng, *d.y)
        dy[..., 2] = with_nan(dy[..., 2], 0.02, rng)
        return Arguments((normal(rng, *d.x), dy, (d.R, d.S)), d.steps)

    yield Case("conv2d", "NaN reaches its windows alone", nan_forward)
    yield Case("conv2d_backward_input", "NaN reaches its windows alone", nan_input)
    yield Case("conv2d_backward_weight", "NaN reaches its channel alone", nan_weight)


def _cases() -> Iterator[Case]:
    for problem in dict.fromkeys(PROBLEMS):
        yield from passes(problem)
    yield from _options()
    yield from _awkward()
    yield from conv2d_max_pool2d.CASES


CASES = tuple(_cases())
