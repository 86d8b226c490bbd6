"""Cases of rmsprop_step and adagrad_step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case

Shapes = tuple[tuple[int, ...], ...]
SHAPES: Shapes = ((3, 3, 1, 32), (576, 64), (10,), (), (0,), (1, 7, 13))
# Which lists there are beside the squares, and the options.
CENTERED, MOMENTUM = "centered", "momentum"
OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "plain": ((), {}),
    "lr 0": ((MOMENTUM,), {"lr": 0.0, "momentum": 0.9}),
    "alpha 0": ((), {"alpha": 0.0}),
    "alpha near 1": ((), {"alpha": 0.99999}),
    "a large eps": ((), {"eps": 1.0}),
    "eps in the root": ((), {"eps": 0.1, "eps_in_root": True}),
    "weight decay": ((), {"weight_decay": 0.1}),
    "momentum": ((MOMENTUM,), {"momentum": 0.9}),
    "momentum of 0 with buffers": ((MOMENTUM,), {}),
    "centered": ((CENTERED,), {"alpha": 0.9}),
    "everything": (
        (CENTERED, MOMENTUM),
        {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.3, "momentum": 0.99},
    ),
    "everything, eps in the root": (
        (CENTERED, MOMENTUM),
        {"weight_decay": 0.3, "momentum": 0.5, "eps": 1e-3, "eps_in_root": True},
    ),
}
ADAGRAD: dict[str, dict[str, Any]] = {
    "plain": {},
    "lr 0": {"lr": 0.0},
    "a large eps": {"eps": 1.0},
    "eps in the root": {"eps": 0.1, "eps_in_root": True},
    "weight decay": {"weight_decay": 0.1},
}


def _squares(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Mean squares well above those of the means that `_lists` draws."""
    return np.asarray(1 + normal(rng, *shape) ** 2, np.float32)


def _lists(
    rng: np.random.Generator, shapes: Shapes, kept: tuple[str, ...]
) -> list[list[Array] | None]:
    params, grads = ([normal(rng, *shape) for shape in shapes] for _ in range(2))
    lists: list[list[Array] | None] = [params, grads]
    lists.append([_squares(rng, shape) for shape in shapes])
    means = [0.3 * np.tanh(normal(rng, *shape)) for shape in shapes]
    lists.append(
        [np.asarray(a, np.float32) for a in means] if CENTERED in kept else None
    )
    buffers = [normal(rng, *shape) for shape in shapes]
    lists.append(buffers if MOMENTUM in kept else None)
    return lists


def _case(
    name: str, shapes: Shapes, kept: tuple[str, ...], options: dict[str, Any]
) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        return Arguments(tuple(_lists(rng, shapes, kept)), {"lr": 0.1, **options})

    return Case("rmsprop_step", name, build, in_place=True)


def _adagrad(name: str, shapes: Shapes, options: dict[str, Any]) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        lists = _lists(rng, shapes, ())[:3]
        return Arguments(tuple(lists), {"lr": 0.1, **options})

    return Case("adagrad_step", name, build, in_place=True)


def _special(function: str, count: int) -> Iterator[Case]:
    """Cases of one function, which takes so many lists."""
    every = (CENTERED, MOMENTUM)
    options = {"lr": 0.1, **({"momentum": 0.9} if count == 5 else {})}

    def zeros(rng: np.random.Generator) -> Arguments:
        lists = [[np.zeros(21, np.float32)] for _ in range(count - 2)]
        return Arguments(([normal(rng, 21)], [normal(rng, 21)], *lists), options)

    def nan(rng: np.random.Generator) -> Arguments:
        lists = _lists(rng, ((50,),), every)[:count]
        lists[1] = [with_nan(normal(rng, 50), 0.1, rng)]
        return Arguments(tuple(lists), options)

    yield Case(function, "nothing kept so far", zeros, in_place=True)
    yield Case(function, "NaN stays where it is", nan, in_place=True)
    for how in LAYOUTS:

        def awkward(rng: np.random.Generator, how: Any = how) -> Arguments:
            lists = _lists(rng, ((4, 7),), every)[:count]
            lists[1] = [how(normal(rng, 4, 7))]
            return Arguments(tuple(lists), options)

        yield Case(function, f"gradients {how.__name__}", awkward, in_place=True)


def _cases() -> Iterator[Case]:
    for name, (kept, options) in OPTIONS.items():
        yield _case(name, SHAPES, kept, options)
    every = OPTIONS["everything"]
    for length in LENGTHS:
        yield _case(f"{length} elements", ((length,),), *every)
    yield _case("no parameters", (), *every)
    yield from _special("rmsprop_step", 5)
    for name, options in ADAGRAD.items():
        yield _adagrad(name, SHAPES, options)
    for length in LENGTHS:
        yield _adagrad(f"{length} elements", ((length,),), {})
    yield _adagrad("no parameters", (), {})
    yield from _special("adagrad_step", 3)


CASES = tuple(_cases())
