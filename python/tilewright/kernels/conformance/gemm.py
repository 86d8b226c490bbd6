"""Cases of gemm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case
from tilewright.kernels.gemm import ACTIVATIONS

# M, N, K: what small tiles, tails of tiles, and blocks of the caches meet.
SIZES = (
    (1, 1, 1),
    (1, 10, 64),
    (1, 257, 300),
    (3, 1, 7),
    (257, 1, 33),
    (6, 16, 5),
    (7, 17, 6),
    (14, 32, 9),
    (15, 33, 64),
    (13, 31, 61),
    (32, 10, 64),
    (32, 64, 576),
    (64, 64, 64),
    (97, 101, 103),
    (128, 129, 300),
    (200, 150, 1031),
    (19, 129, 900),
    (5, 700, 40),
    (700, 5, 40),
)
EMPTY = ((0, 3, 2), (3, 0, 2), (3, 2, 0), (0, 0, 0))


def _case(
    name: str,
    M: int,
    N: int,
    K: int,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    bias: bool = False,
    activation: str = "none",
    out: bool = False,
    accumulate: bool = False,
) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        a = normal(rng, *((K, M) if transpose_a else (M, K)))
        b = normal(rng, *((N, K) if transpose_b else (K, N)))
        options = {
            "transpose_a": transpose_a,
            "transpose_b": transpose_b,
            "bias": normal(rng, N) if bias else None,
            "activation": activation,
            "out": normal(rng, M, N) if out else None,
            "accumulate": accumulate,
        }
        return Arguments((a, b), options)

    return Case("gemm", name, build)


def _awkward() -> Iterator[Case]:
    for how in LAYOUTS:

        def build(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments(
                (how(normal(rng, 13, 21)), how(normal(rng, 21, 17))),
                {"bias": how(normal(rng, 17))},
            )

        yield Case("gemm", f"inputs {how.__name__}", build)

    def nan(rng: np.random.Generator) -> Arguments:
        a = with_nan(normal(rng, 19, 23), 0.01, rng)
        return Arguments((a, normal(rng, 23, 18)), {"activation": "relu"})

    def infinite(rng: np.random.Generator) -> Arguments:
        a = normal(rng, 9, 5)
        a[2, 1] = np.inf
        return Arguments((a, np.abs(normal(rng, 5, 17)) + 1))

    def overwritten(rng: np.random.Generator) -> Arguments:
        out = np.full((20, 17), np.nan, np.float32)
        return Arguments((normal(rng, 20, 9), normal(rng, 9, 17)), {"out": out})

    yield Case("gemm", "NaN reaches its row alone", nan)
    yield Case("gemm", "infinity stays", infinite)
    yield Case("gemm", "NaN in out is overwritten", overwritten)


def _cases() -> Iterator[Case]:
    for M, N, K in SIZES:
        for ta, tb in ((False, False), (False, True), (True, False), (True, True)):
            marks = ("T" if ta else "") + "@" + ("T" if tb else "")
            yield _case(f"{M}x{N}x{K} {marks}", M, N, K, transpose_a=ta, transpose_b=tb)
    for length in LENGTHS:
        yield _case(f"{length} columns", 5, length, 11, bias=True, activation="relu")
        yield _case(f"{length} rows", length, 20, 6, bias=True, out=True)
        yield _case(f"depth {length}", 9, 19, length, transpose_b=True)
    for M, N, K in EMPTY:
        yield _case(f"empty {M}x{N}x{K}", M, N, K, bias=True, activation="sigmoid")
    yield _case("depth 0 accumulates", 3, 5, 0, out=True, accumulate=True)
    for activation in ACTIVATIONS:
        for M, N, K in ((7, 33, 5), (40, 50, 600)):
            yield _case(
                f"{activation} {M}x{N}x{K}",
                M,
                N,
                K,
                bias=True,
                activation=activation,
                out=True,
                accumulate=True,
            )
    yield _case("accumulates", 33, 37, 513, out=True, accumulate=True)
    yield _case("out", 33, 37, 513, out=True)
    yield from _awkward()


CASES = tuple(_cases())
