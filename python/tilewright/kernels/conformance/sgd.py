"""Cases of sgd_step."""

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

SHAPES: tuple[tuple[int, ...], ...] = (
    (3, 3, 1, 32),
    (576, 64),
    (10,),
    (),
    (0,),
    (1, 7, 13),
)
# Whether there are momentum buffers, and the options.
OPTIONS: dict[str, tuple[bool, dict[str, Any]]] = {
    "plain": (False, {}),
    "lr 0": (True, {"lr": 0.0, "momentum": 0.9}),
    "weight decay": (False, {"weight_decay": 0.1}),
    "momentum": (True, {"momentum": 0.9}),
    "momentum of 0 with buffers": (True, {}),
    "nesterov": (True, {"momentum": 0.9, "nesterov": True}),
    "momentum and weight decay": (True, {"momentum": 0.5, "weight_decay": 0.1}),
    "everything": (True, {"momentum": 0.99, "nesterov": True, "weight_decay": 0.3}),
}


def _case(
    name: str,
    shapes: tuple[tuple[int, ...], ...],
    buffers: bool,
    options: dict[str, Any],
) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        params, grads, moving = (
            [normal(rng, *shape) for shape in shapes] for _ in range(3)
        )
        return Arguments(
            (params, grads, moving if buffers else None), {"lr": 0.1, **options}
        )

    return Case("sgd_step", name, build, in_place=True)


def _special() -> Iterator[Case]:
    options = {"lr": 0.1, "momentum": 0.9}

    def nan(rng: np.random.Generator) -> Arguments:
        grads = with_nan(normal(rng, 50), 0.1, rng)
        return Arguments(([normal(rng, 50)], [grads], [normal(rng, 50)]), options)

    yield Case("sgd_step", "NaN stays where it is", nan, in_place=True)
    for how in LAYOUTS:

        def awkward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            grads = [how(normal(rng, 4, 7))]
            return Arguments(([normal(rng, 4, 7)], grads, [normal(rng, 4, 7)]), options)

        yield Case("sgd_step", f"gradients {how.__name__}", awkward, in_place=True)


def _cases() -> Iterator[Case]:
    for name, (buffers, options) in OPTIONS.items():
        yield _case(name, SHAPES, buffers, options)
    for length in LENGTHS:
        yield _case(
            f"{length} elements",
            ((length,),),
            True,
            {"momentum": 0.9, "nesterov": True},
        )
    yield _case("no parameters", (), True, {})
    yield from _special()


CASES = tuple(_cases())
