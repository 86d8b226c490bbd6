"""Cases of the losses of elements."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case
from tilewright.kernels.elementwise_loss import LOSSES, REDUCTIONS

SHAPES: tuple[tuple[int, ...], ...] = (
    (),
    (0,),
    (3, 0, 2),
    (32, 1),
    (2, 3, 5, 7),
    (70_001,),
    *((length,) for length in LENGTHS),
)
NAN, INFINITY = float("nan"), float("inf")
# Where a sum of small and large losses would hide the small ones: each by itself.
SPECIAL: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "squared_error": ((0, 1e18, -3, INFINITY, NAN), (0, 2, -INFINITY)),
    "absolute_error": ((0, 1e30, -3, INFINITY, NAN), (0, 2, -INFINITY)),
    "huber": ((0, 1, -1, 1.5, 1e30, -1e30, INFINITY, NAN), (0, -INFINITY)),
    "binary_cross_entropy": ((0, 1, 0.5, 1e-30, 1e-7, 1 - 2**-24, NAN), (0, 0.5, 1)),
    "binary_cross_entropy_with_logits": (
        (0, 1e-6, -1, 16, -16, 80, -80, 1e4, -1e4, 1e30, -1e30, NAN),
        (0, 0.25, 1),
    ),
}


def outputs(rng: np.random.Generator, kind: str, *shape: int) -> Array:
    """What a network might return."""
    x = np.asarray(2 * normal(rng, *shape))
    if kind != "binary_cross_entropy":
        return x
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)


def targets(rng: np.random.Generator, kind: str, *shape: int) -> Array:
    """What it might be asked for."""
    if kind.startswith("binary"):
        return np.asarray(rng.random(shape, np.float32))
    return np.asarray(normal(rng, *shape))


def _case(name: str, kind: str, shape: tuple[int, ...], **options: Any) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        x = outputs(rng, kind, *shape)
        return Arguments((x, targets(rng, kind, *shape), kind), options)

    return Case("elementwise_loss", f"{kind} {name}", build)


def _special(kind: str) -> Iterator[Case]:
    given = np.array(list(itertools.product(*SPECIAL[kind])), np.float32)
    for row, (x, t) in enumerate(given):

        def single(rng: np.random.Generator, row: int = row) -> Arguments:
            x, t = given[row : row + 1].T
            return Arguments((x, t, kind))

        yield Case("elementwise_loss", f"{kind} of {x} for {t}, {row}", single)

    def nan(rng: np.random.Generator) -> Arguments:
        x = with_nan(outputs(rng, kind, 100), 0.1, rng)
        t = with_nan(targets(rng, kind, 100), 0.1, rng)
        return Arguments((x, t, kind), {"reduction": "none"})

    def right(rng: np.random.Generator) -> Arguments:
        # Where the loss is what is left of large numbers.
        t = (rng.random(500) < 0.5).astype(np.float32)
        x = 40 * (t - np.float32(0.5)) * rng.random(500, np.float32)
        if kind == "binary_cross_entropy":
            x = np.asarray(1 / (1 + np.exp(-x)), np.float32)
        return Arguments((x, t, kind), {"reduction": "none"})

    yield Case("elementwise_loss", f"{kind} of NaN", nan)
    yield Case("elementwise_loss", f"{kind} of the right answers", right)


def _cases() -> Iterator[Case]:
    for kind in LOSSES:
        for shape in SHAPES:
            yield _case(f"of {shape}", kind, shape)
        for reduction in REDUCTIONS:
            yield _case(reduction, kind, (9, 67), reduction=reduction)
            yield _case(f"{reduction} of nothing", kind, (0, 3), reduction=reduction)
        yield from _special(kind)
        for how in LAYOUTS:

            def awkward(
                rng: np.random.Generator, kind: str = kind, how: Layout = how
            ) -> Arguments:
                x = how(outputs(rng, kind, 6, 11))
                return Arguments((x, how(targets(rng, kind, 6, 11)), kind))

            yield Case("elementwise_loss", f"{kind}, inputs {how.__name__}", awkward)
    for delta in (1e-3, 0.7, 100.0):
        yield _case(f"of delta {delta}", "huber", (200,), delta=delta)


CASES = tuple(_cases())
