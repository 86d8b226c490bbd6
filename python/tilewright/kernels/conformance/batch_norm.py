"""Cases of batch normalization, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.kernels.batch_norm import ACTIVATIONS
from tilewright.kernels.conformance.arrays import (
    LAYOUTS,
    LENGTHS,
    Layout,
    normal,
    with_nan,
)
from tilewright.kernels.conformance.case import Arguments, Case

RUNNING = ("running_mean", "running_var")
# Rows of a chunk are 256: one less, so many, one more, several of them. Rows are
# folded where the channels are no multiple of 16, and some may be left over.
SHAPES: tuple[tuple[int, ...], ...] = (
    *((37, C) for C in LENGTHS),
    (255, 16),
    (256, 16),
    (257, 16),
    (1023, 5),
    (4133, 3),
    (4096, 1),
    (3, 700),
    (40, 1029),
    (5, 6, 7, 24),
    (3, 11, 8),
    (2, 2, 3, 10),
)


def _variance(rng: np.random.Generator, *shape: int) -> Any:
    return np.abs(normal(rng, *shape)) + np.float32(0.1)


def _forward(name: str, shape: tuple[int, ...], **options: Any) -> Case:
    training = options.get("training", True)

    def build(rng: np.random.Generator) -> Arguments:
        C = shape[-1]
        x = 2 * normal(rng, *shape) + normal(rng, C)
        running = (normal(rng, C), _variance(rng, C))
        given = dict(zip(RUNNING, running, strict=True), **options)
        return Arguments((x, normal(rng, C), normal(rng, C)), given)

    return Case("batch_norm", name, build, updated=RUNNING if training else ())


def _backward(name: str, shape: tuple[int, ...], **options: Any) -> Case:
    def build(rng: np.random.Generator) -> Arguments:
        C = shape[-1]
        x = 2 * normal(rng, *shape) + normal(rng, C)
        mean, root = np.zeros(C), np.ones(C)
        if x.size:
            rows = x.reshape(-1, C).astype(np.float64)
            mean, root = rows.mean(axis=0), 1 / (rows.std(axis=0) + 0.01)
        saved = np.array([mean, mean - mean.astype(np.float32), root], np.float32)
        # Sums over the rows that do not cancel.
        dy = normal(rng, *shape) + ((x - saved[0]) * saved[2] / 2 + 1)
        return Arguments((dy, x, saved, normal(rng, C), normal(rng, C)), options)

    return Case("batch_norm_backward", name, build)


def _of_all_kinds(name: str, shape: tuple[int, ...]) -> Iterator[Case]:
    for training in (True, False):
        for activation in ACTIVATIONS:
            how = f"{name} {'training' if training else 'evaluation'} {activation}"
            options = {"training": training, "activation": activation}
            yield _forward(how, shape, **options)
            yield _backward(how, shape, **options)


def _options() -> Iterator[Case]:
    for momentum in (0.0, 0.01, 1.0):
        yield _forward(f"momentum {momentum}", (50, 6), momentum=momentum)
    for eps in (0.0, 1e-3, 10.0):
        yield _forward(f"eps {eps}", (50, 6), eps=eps)
    yield _forward("biased", (3, 6), unbiased=False)
    yield _forward("two rows", (2, 6), eps=0.1)

    def plain(rng: np.random.Generator) -> Arguments:
        return Arguments((normal(rng, 4, 5, 6),))

    def backward(rng: np.random.Generator) -> Arguments:
        x = normal(rng, 30, 6)
        saved = np.array([[0.1] * 6, [0] * 6, [0.9] * 6], np.float32)
        return Arguments((normal(rng, 30, 6), x, saved), {"activation": "relu"})

    def weight_alone(rng: np.random.Generator) -> Arguments:
        return Arguments((normal(rng, 40, 6), normal(rng, 6)))

    def bias_alone(rng: np.random.Generator) -> Arguments:
        return Arguments((normal(rng, 40, 6), None, normal(rng, 6)))

    yield Case("batch_norm", "without weight, bias and running arrays", plain)
    yield Case("batch_norm_backward", "without weight and bias", backward)
    yield Case("batch_norm", "weight alone", weight_alone)
    yield Case("batch_norm", "bias alone", bias_alone)
    for shape in ((0, 5), (2, 0, 3, 5), (3, 0)):
        yield _forward(f"empty {shape}", shape, training=False)
        yield _backward(f"empty {shape}", shape)
        yield _backward(f"empty {shape} in evaluation", shape, training=False)

    def into(rng: np.random.Generator) -> Arguments:
        case = _backward("", (7, 5, 33)).build(rng)
        return Arguments(case.args, {"out": np.ones((7, 5, 33), np.float32)})

    yield Case("batch_norm_backward", "into out", into)


def _special_values() -> Iterator[Case]:
    def offset(rng: np.random.Generator) -> Arguments:
        signs = np.where(np.arange(24) % 2, -1e4, 1e4).astype(np.float32)
        return Arguments((normal(rng, 5000, 24) + signs, normal(rng, 24)))

    def offset_backward(rng: np.random.Generator) -> Arguments:
        x = normal(rng, 5000, 24) + np.float32(1e4)
        mean = x.mean(axis=0, dtype=np.float64)
        rounded = mean.astype(np.float32)
        root = 1 / x.std(axis=0, dtype=np.float64)
        saved = np.array([rounded, mean - rounded, root], np.float32)
        given = (normal(rng, 5000, 24), x, saved, normal(rng, 24), normal(rng, 24))
        return Arguments(given, {"activation": "relu"})

    def first_row_far(rng: np.random.Generator) -> Arguments:
        x = normal(rng, 300, 9)
        x[0] = 1e4
        return Arguments((x,))

    def constant(rng: np.random.Generator) -> Arguments:
        x = np.full((700, 5), 3.7, np.float32)
        return Arguments((x, None, normal(rng, 5)))

    def nan(rng: np.random.Generator) -> Arguments:
        return Arguments((with_nan(normal(rng, 40, 21), 0.005, rng),))

    def nan_with_relu(rng: np.random.Generator) -> Arguments:
        x = with_nan(normal(rng, 40, 21), 0.005, rng)
        return Arguments((x,), {"activation": "relu"})

    def infinite(rng: np.random.Generator) -> Arguments:
        x = normal(rng, 600, 21)
        x[5, 3], x[599, 4] = np.inf, -np.inf
        return Arguments((x,))

    def nan_gradient(rng: np.random.Generator) -> Arguments:
        dy, x, saved, weight, bias = _backward("", (40, 21)).build(rng).args
        dy, x = with_nan(dy, 0.005, rng), with_nan(x, 0.005, rng)
        return Arguments((dy, x, saved, weight, bias))

    def nan_gradient_of_relu(rng: np.random.Generator) -> Arguments:
        return Arguments(nan_gradient(rng).args, {"activation": "relu"})

    yield Case("batch_norm", "channels at 1e4 and -1e4", offset)
    yield Case("batch_norm_backward", "channels at 1e4", offset_backward)
    yield Case("batch_norm", "a first row far from the others", first_row_far)
    yield Case("batch_norm", "constant channels are the bias", constant)
    yield Case("batch_norm", "NaN stays in its channel", nan)
    yield Case("batch_norm", "NaN passes relu", nan_with_relu)
    yield Case("batch_norm", "infinity stays in its channel", infinite)
    yield Case("batch_norm_backward", "NaN stays in its channel", nan_gradient)
    yield Case("batch_norm_backward", "NaN passes relu", nan_gradient_of_relu)


def _awkward() -> Iterator[Case]:
    for how in LAYOUTS:

        def forward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            x, weight = how(normal(rng, 4, 3, 11)), how(normal(rng, 11))
            running = (how(normal(rng, 11)), how(_variance(rng, 11)))
            given = dict(zip(RUNNING, running, strict=True))
            return Arguments((x, weight, how(weight)), {**given, "training": False})

        def backward(rng: np.random.Generator, how: Layout = how) -> Arguments:
            given = _backward("", (4, 30, 11)).build(rng).args
            return Arguments(tuple(how(value) for value in given))

        yield Case("batch_norm", f"inputs {how.__name__}", forward)
        yield Case("batch_norm_backward", f"inputs {how.__name__}", backward)


def _cases() -> Iterator[Case]:
    for shape in SHAPES:
        yield from _of_all_kinds(str(shape), shape)
    yield from _options()
    yield from _special_values()
    yield from _awkward()


CASES = tuple(_cases())
