"""Cases of adam_step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case

# Of the MNIST network, with lengths that leave a part of a vector.
SHAPES: tuple[tuple[int, ...], ...] = (
    (3, 3, 1, 32),
    (32,),
    (576, 64),
    (64, 10),
    (10,),
    (),
    (0,),
    (1, 7, 13),
)
USUAL: dict[str, Any] = {"step": 3, "lr": 1e-2}
OPTIONS: dict[str, dict[str, Any]] = {
    "the first step": {"step": 1},
    "a late step": {"step": 10**9},
    "lr 0": {"lr": 0.0},
    "betas 0": {"betas": (0.0, 0.0)},
    "betas near 1": {"betas": (0.999, 0.99999), "step": 1},
    "a large eps": {"eps": 1.0},
    "weight decay": {"weight_decay": 0.1},
    "decoupled weight decay": {"weight_decay": 0.1, "decoupled": True},
    "decoupled without a decay": {"decoupled": True},
    "no bias correction": {"bias_correction": False},
    "everything": {
        "betas": (0.8, 0.95),
        "eps": 1e-3,
        "weight_decay": 0.3,
        "decoupled": True,
        "bias_correction": False,
    },
}


def _case(name: str, shapes: tuple[tuple[int, ...], ...], options: Any) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        params, grads, exp_avg = (
            [normal(rng, *shape) for shape in shapes] for _ in range(3)
        )
        # The moment of a square is positive, and never far below the square.
        exp_avg_sq = [0.1 + normal(rng, *shape) ** 2 for shape in shapes]
        return Arguments(
            (params, grads, exp_avg, [np.asarray(v, np.float32) for v in exp_avg_sq]),
            {**USUAL, **options},
        )

    return Case("adam_step", name, build, in_place=True)


def _special() -> Iterator[Case]:
    def zero_moments(rng: np.random.Generator) -> Arguments:
        zeros = [np.zeros((5, 9), np.float32) for _ in range(2)]
        arrays = [normal(rng, 5, 9)], [normal(rng, 5, 9)], zeros[:1], zeros[1:]
        return Arguments(arrays, {"step": 1, "lr": 0.1})

    def zero_gradients(rng: np.random.Generator) -> Arguments:
        zeros = [np.zeros(21, np.float32) for _ in range(3)]
        arrays = [normal(rng, 21)], zeros[:1], zeros[1:2], zeros[2:]
        return Arguments(arrays, {"step": 1, "lr": 0.1})

    def nan(rng: np.random.Generator) -> Arguments:
        grads = with_nan(normal(rng, 50), 0.1, rng)
        moments = normal(rng, 50), normal(rng, 50) ** 2 + np.float32(0.1)
        return Arguments(
            ([normal(rng, 50)], [grads], [moments[0]], [moments[1]]), USUAL
        )

    yield Case("adam_step", "moments of zero", zero_moments, in_place=True)
    yield Case("adam_step", "gradients of zero", zero_gradients, in_place=True)
    yield Case("adam_step", "NaN stays where it is", nan, in_place=True)
    for how in LAYOUTS:

        def awkward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            moments = normal(rng, 4, 7), normal(rng, 4, 7) ** 2 + np.float32(0.1)
            lists = [normal(rng, 4, 7)], [how(normal(rng, 4, 7))]
            return Arguments((*lists, [moments[0]], [moments[1]]), USUAL)

        yield Case("adam_step", f"gradients {how.__name__}", awkward, in_place=True)


def _cases() -> Iterator[Case]:
    yield _case("the parameters of a network", SHAPES, {})
    yield _case("no parameters", (), {})
    for length in LENGTHS:
        yield _case(f"{length} elements", ((length,),), {})
    for name, options in OPTIONS.items():
        yield _case(name, ((3, 11), (40,)), options)
    yield from _special()


CASES = tuple(_cases())
