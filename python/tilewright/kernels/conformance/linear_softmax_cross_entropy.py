"""Cases of a linear layer fused with the loss of its outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.kernels.conformance.arrays import LAYOUTS, Layout, normal
from tilewright.kernels.conformance.case import Arguments, Case
from tilewright.kernels.linear_softmax_cross_entropy import REDUCTIONS

# Rows, features, classes, rows of a chunk.
SIZES: tuple[tuple[int, int, int, int | None], ...] = (
    (32, 64, 10, None),
    (1, 2, 3, None),
    (7, 5, 3, 1),
    (9, 3, 17, 4),
    (8, 16, 33, 8),
    (50, 20, 129, 16),
    (131, 8, 65, 128),
    (20, 12, 2100, 7),
    (3, 4, 5, 100),
    (0, 3, 4, None),
    (0, 3, 4, 2),
)


def _loss(
    name: str,
    N: int,
    size: int,
    C: int,
    *,
    bias: bool = True,
    weighted: bool = False,
    ignored_rows: int | None = None,
    **options: Any,
) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        x, weight = normal(rng, N, size), normal(rng, size, C)
        labels = rng.integers(0, C, N)
        chosen = dict(options)
        if bias:
            chosen["bias"] = normal(rng, C)
        if weighted:
            chosen["class_weight"] = rng.random(C, np.float32) + np.float32(0.1)
        if ignored_rows is not None:
            labels[::ignored_rows] = options["ignore_index"]
        return Arguments((x, weight, labels), chosen)

    return Case("linear_softmax_cross_entropy", name, build)


def _cases() -> Iterator[Case]:
    for N, size, C, rows in SIZES:
        name = f"{N}x{size}->{C} in chunks of {rows}"
        yield _loss(name, N, size, C, chunk_rows=rows)
        yield _loss(
            f"{name} with every option",
            N,
            size,
            C,
            weighted=True,
            label_smoothing=0.1,
            ignore_index=-100,
            ignored_rows=3,
            chunk_rows=rows,
        )
    for reduction in REDUCTIONS:
        options: dict[str, Any] = {"reduction": reduction, "chunk_rows": 12}
        sizes = 33, 7, 19
        yield _loss(f"{reduction} without bias", *sizes, bias=False, **options)
        yield _loss(f"{reduction} weighted", *sizes, weighted=True, **options)
        yield _loss(
            f"{reduction} smoothed and ignoring a class that exists",
            *sizes,
            label_smoothing=0.3,
            ignore_index=2,
            ignored_rows=4,
            **options,
        )
        yield _loss(
            f"{reduction} of ignored rows alone",
            *sizes,
            ignore_index=-1,
            ignored_rows=1,
            **options,
        )
    for how in LAYOUTS:

        def build(rng: np.random.Generator, how: Layout = how) -> Arguments:
            arrays = how(normal(rng, 10, 6)), how(normal(rng, 6, 8))
            return Arguments((*arrays, rng.integers(0, 8, 10)), {"chunk_rows": 3})

        name = f"inputs {how.__name__}"
        yield Case("linear_softmax_cross_entropy", name, build)

    def short_labels(rng: np.random.Generator) -> Arguments:
        labels = rng.integers(0, 8, 10).astype(np.int32)
        return Arguments((normal(rng, 10, 6), normal(rng, 6, 8), labels))

    yield Case("linear_softmax_cross_entropy", "labels of int32", short_labels)


CASES = tuple(_cases())
