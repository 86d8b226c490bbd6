"""Cases of limits on gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance.arrays import LENGTHS, normal, with_nan
from tilewright.kernels.conformance.case import Arguments, Case

SHAPES: tuple[tuple[int, ...], ...] = (
    (3, 3, 1, 32),
    (576, 64),
    (10,),
    (),
    (0,),
    (1, 7, 13),
)


def _both(
    name: str, shapes: tuple[tuple[int, ...], ...], size: float
) -> Iterator[Case]:
    def arrays(rng: np.random.Generator) -> list[Array]:
        return [np.asarray(normal(rng, *shape)) for shape in shapes]

    def by_norm(rng: np.random.Generator) -> Arguments:
        return Arguments((arrays(rng),), {"max_norm": size})

    def by_value(rng: np.random.Generator) -> Arguments:
        return Arguments((arrays(rng),), {"limit": size})

    yield Case("clip_by_norm", name, by_norm, in_place=True)
    yield Case("clip_by_value", name, by_value, in_place=True)


def _special() -> Iterator[Case]:
    for name, value in (("NaN", np.nan), ("infinity", np.inf), ("-infinity", -np.inf)):

        def by_norm(rng: np.random.Generator, value: float = value) -> Arguments:
            grads = [normal(rng, 50), normal(rng, 7)]
            grads[0][31] = value
            return Arguments((grads,), {"max_norm": 0.5})

        def by_value(rng: np.random.Generator, value: float = value) -> Arguments:
            grads = [normal(rng, 50), np.full(33, value, np.float32)]
            return Arguments((grads,), {"limit": 0.5})

        yield Case("clip_by_norm", f"{name} changes nothing", by_norm, in_place=True)
        yield Case("clip_by_value", name, by_value, in_place=True)

    def scattered(rng: np.random.Generator) -> Arguments:
        return Arguments(([with_nan(normal(rng, 100), 0.1, rng)],), {"limit": 1.0})

    def huge(rng: np.random.Generator) -> Arguments:
        # Squares that no float holds.
        grads = [np.float32(1e30) * normal(rng, 40), normal(rng, 3)]
        return Arguments((grads,), {"max_norm": 2.0})

    def small(rng: np.random.Generator) -> Arguments:
        return Arguments(([np.float32(1e-25) * normal(rng, 40)],), {"max_norm": 5e-7})

    yield Case("clip_by_value", "NaN stays where it is", scattered, in_place=True)
    yield Case("clip_by_norm", "squares beyond a float", huge, in_place=True)
    yield Case("clip_by_norm", "squares below a float", small, in_place=True)


def _cases() -> Iterator[Case]:
    for size in (0.0, 0.7, 1e6):
        yield from _both(f"to {size}", SHAPES, size)
    for length in LENGTHS:
        yield from _both(f"{length} elements", ((length,),), 0.5)
    yield from _both("many arrays", ((3,), (70,)) * 300, 1.0)
    yield from _both("more than a chunk", ((16_383,), (2,), (40_000,)), 1.0)
    yield from _both("nothing", (), 1.0)
    yield from _special()


CASES = tuple(_cases())
