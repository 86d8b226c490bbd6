"""Cases of softmax, its logarithm, and the cross-entropy loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance import linear_softmax_cross_entropy
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case
from tilewright.kernels.softmax_cross_entropy import REDUCTIONS

SIZES = (
    (1, 1),
    (1, 2),
    (7, 1),
    (32, 10),
    (5, 100),
    (3, 1000),
    (2, 50_000),
    (0, 4),
    (300, 3),
    *((4, length) for length in LENGTHS if length > 2),
)
# Shape and axis; the other axes may be anything, empty too.
AXES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((5,), 0),
    ((3, 4, 5), 1),
    ((3, 4, 5), -3),
    ((2, 3, 4, 5), -1),
    ((2, 0, 4), 2),
    ((17, 33), 0),
)


def _softmax(name: str, shape: tuple[int, ...], axis: int) -> Iterator[Case]:
    def forward(rng: np.random.Generator) -> Arguments:
        return Arguments((3 * normal(rng, *shape), axis))

    def backward(rng: np.random.Generator) -> Arguments:
        x = np.exp(normal(rng, *shape))
        y = x / x.sum(axis=axis, keepdims=True)
        return Arguments((normal(rng, *shape), y, axis))

    def log_backward(rng: np.random.Generator) -> Arguments:
        x = np.exp(normal(rng, *shape))
        y = np.log(x / x.sum(axis=axis, keepdims=True))
        return Arguments((normal(rng, *shape), y, axis))

    yield Case("softmax", name, forward)
    yield Case("log_softmax", name, forward)
    yield Case("softmax_backward", name, backward)
    yield Case("log_softmax_backward", name, log_backward)


def _loss(name: str, N: int, C: int, *, weighted: bool = False, **options: Any) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        logits, labels = 2 * normal(rng, N, C), rng.integers(0, C, N)
        chosen = dict(options)
        if weighted:
            chosen["class_weight"] = rng.random(C, np.float32) + np.float32(0.1)
        ignored = options.get("ignore_index")
        if ignored is not None:
            labels[::3] = ignored
        return Arguments((logits, labels), chosen)

    return Case("softmax_cross_entropy", name, build)


def _with_logits(name: str, logits: Array, labels: list[int], **options: Any) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        return Arguments((logits.copy(), np.array(labels)), options)

    return Case("softmax_cross_entropy", name, build)


def _losses() -> Iterator[Case]:
    for N, C in SIZES:
        yield _loss(f"{N}x{C}", N, C)
        if C == 1:
            continue  # the gradient is 0, and rounding all that options would leave
        yield _loss(
            f"{N}x{C} with every option",
            N,
            C,
            weighted=True,
            label_smoothing=0.1,
            ignore_index=-100,
        )
    for reduction in REDUCTIONS:
        yield _loss(f"{reduction}", 33, 19, reduction=reduction)
        yield _loss(f"{reduction} weighted", 33, 19, weighted=True, reduction=reduction)
        yield _loss(
            f"{reduction} smoothed and ignoring a class that exists",
            33,
            19,
            label_smoothing=0.3,
            ignore_index=2,
            reduction=reduction,
        )
        yield _loss(f"{reduction} of no rows", 0, 5, reduction=reduction)
        yield _with_logits(
            f"{reduction} with every row ignored",
            np.array([[np.nan, 1.0], [2.0, np.inf]], np.float32),
            [-1, -1],
            ignore_index=-1,
            reduction=reduction,
        )
    for smoothing in (0.0, 1.0):
        yield _loss(f"smoothing {smoothing}", 9, 21, label_smoothing=smoothing)
        yield _loss(
            f"smoothing {smoothing} weighted",
            9,
            21,
            weighted=True,
            label_smoothing=smoothing,
        )


def _special_values() -> Iterator[Case]:
    large = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], np.float32)
    yield _with_logits("logits of 1e4", large, [0, 1, 2])
    yield _with_logits("logits of 1e4, wrong labels", large, [1, 2, 0])
    yield _with_logits("logits of 1e4 smoothed", large, [1, 2, 0], label_smoothing=0.2)
    masked = np.array([[0.5, -np.inf, 1.5, 2.0]] * 2, np.float32)
    yield _with_logits("a class at -infinity", masked, [0, 2])
    yield _with_logits("a label at -infinity", masked, [1, 2], reduction="none")
    lost = np.array([[0.5, np.nan, 1.5], [1, 2, 3]], np.float32)
    yield _with_logits("NaN stays in its row", lost, [0, 2], reduction="none")
    yield _with_logits("NaN reaches the mean", lost, [0, 2])
    yield _with_logits(
        "NaN in an ignored row", lost, [-7, 2], ignore_index=-7, label_smoothing=0.1
    )

    def large_rows(rng: np.random.Generator) -> Arguments:
        return Arguments((1e4 * normal(rng, 6, 35),))

    def rows_with_nan(rng: np.random.Generator) -> Arguments:
        return Arguments((with_nan(normal(rng, 40, 21), 0.01, rng),))

    def rows_with_infinity(rng: np.random.Generator) -> Arguments:
        x = normal(rng, 8, 21)
        x[1, 3] = x[2, :7] = -np.inf
        x[5, 20] = np.inf
        return Arguments((x,))

    for function in ("softmax", "log_softmax"):
        yield Case(function, "logits of 1e4", large_rows)
        yield Case(function, "NaN stays in its row", rows_with_nan)
        yield Case(function, "infinities", rows_with_infinity)


def _awkward() -> Iterator[Case]:
    for how in LAYOUTS:

        def rows(rng: np.random.Generator, how: Layout = how) -> Arguments:
            return Arguments((how(normal(rng, 6, 11)),))

        def loss(rng: np.random.Generator, how: Layout = how) -> Arguments:
            labels = how(rng.integers(0, 11, 6))
            weight = how(np.abs(normal(rng, 11)))
            return Arguments(
                (how(normal(rng, 6, 11)), labels), {"class_weight": weight}
            )

        yield Case("softmax", f"inputs {how.__name__}", rows)
        yield Case("softmax_cross_entropy", f"inputs {how.__name__}", loss)

    def short_labels(rng: np.random.Generator) -> Arguments:
        return Arguments((normal(rng, 6, 11), rng.integers(0, 11, 6, np.int32)))

    yield Case("softmax_cross_entropy", "labels of int32", short_labels)


def _cases() -> Iterator[Case]:
    for N, C in SIZES:
        yield from _softmax(f"{N}x{C}", (N, C), -1)
    for shape, axis in AXES:
        yield from _softmax(f"{shape} along axis {axis}", shape, axis)
    yield from _losses()
    yield from _special_values()
    yield from _awkward()
    yield from linear_softmax_cross_entropy.CASES


CASES = tuple(_cases())
