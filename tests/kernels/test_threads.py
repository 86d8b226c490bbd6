"""Problems large enough for several threads give the same bits at any number."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from kernel_backends import ISAS, THREADS, needs_extension

from tilewright import kernels

Results = tuple[np.ndarray, ...]


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


X = normal(1, 8, 28, 28, 16)
WEIGHT = normal(2, 3, 3, 16, 40)
DY = normal(3, 8, 26, 26, 40)
ROWS = normal(4, 3000, 130)
LABELS = np.arange(3000) % 130
MANY = normal(5, 700_001)


def gemm() -> Results:
    a, b = normal(6, 301, 700), normal(7, 700, 517)
    deep = normal(8, 20_000, 24)
    return (
        kernels.gemm(a, b, bias=normal(9, 517), activation="gelu"),
        kernels.gemm(deep, deep, transpose_a=True),
        kernels.gemm(deep, normal(10, 24, 90)),
        kernels.gemm(a[:32], b),
    )


def conv2d() -> Results:
    return (
        kernels.conv2d(X, WEIGHT, bias=normal(9, 40), activation="relu"),
        kernels.conv2d_backward_input(DY, WEIGHT, X.shape),
        *kernels.conv2d_backward_weight(X, DY, 3),
        *kernels.conv2d_max_pool2d(X, WEIGHT, 2, activation="relu"),
    )


def winograd() -> Results:
    x, weight = normal(21, 4, 30, 30, 64), normal(22, 3, 3, 64, 80)
    dy = normal(23, 4, 30, 30, 80)
    return (
        kernels.conv2d(x, weight, padding=1),
        kernels.conv2d_backward_input(dy, weight, x.shape, padding=1),
        *kernels.conv2d_backward_weight(x, dy, 3, padding=1),
        *kernels.conv2d_max_pool2d(x, weight, 2, padding=1, activation="relu"),
    )


def conv2d_max_pool2d_backward() -> Results:
    _, indices = kernels.max_pool2d(DY, 2)
    dy = normal(20, *indices.shape)
    return (
        kernels.conv2d_max_pool2d_backward_input(dy, indices, WEIGHT, X.shape, 2),
        *kernels.conv2d_max_pool2d_backward_weight(X, dy, indices, 3, 2),
    )


def few_channels() -> Results:
    x, dy = normal(11, 32, 28, 28, 1), normal(12, 32, 26, 26, 32)
    return (
        *kernels.conv2d_backward_weight(x, dy, 3),
        *kernels.conv2d_max_pool2d(x, normal(13, 3, 3, 1, 32), 2),
    )


def depthwise() -> Results:
    x, weight = normal(14, 8, 40, 40, 48), normal(15, 3, 3, 1, 48)
    options = {"groups": 48, "padding": 1}
    return (
        kernels.conv2d(x, weight, **options),
        kernels.conv2d_backward_input(x, weight, x.shape, **options),
        *kernels.conv2d_backward_weight(x, x, 3, **options),
    )


def pool2d() -> Results:
    x = normal(16, 16, 56, 56, 24)
    y, indices = kernels.max_pool2d(x, 2)
    overlapping, taps = kernels.max_pool2d(x, 3, stride=2, padding=1)
    return (
        y,
        indices,
        overlapping,
        kernels.max_pool2d_backward(y, indices, x.shape, 2),
        kernels.max_pool2d_backward(overlapping, taps, x.shape, 3, stride=2, padding=1),
        kernels.avg_pool2d(x, 3, stride=1),
        kernels.avg_pool2d_backward(y, x.shape, 2),
        kernels.global_avg_pool2d(x),
    )


def batch_norm() -> Results:
    found: list[np.ndarray] = []
    for rows, C in ((30_000, 24), (3_001, 300), (100_001, 3), (200, 3_000)):
        x, dy = normal(21, rows, C), normal(22, rows, C)
        running = np.zeros(C, np.float32), np.ones(C, np.float32)
        y, saved = kernels.batch_norm(
            x, running_mean=running[0], running_var=running[1], activation="relu"
        )
        gradients = kernels.batch_norm_backward(dy, x, saved, activation="relu")
        found += [y, saved, *running, *gradients]
    return tuple(found)


def softmax_cross_entropy() -> Results:
    y = kernels.softmax(ROWS)
    log_y = kernels.log_softmax(ROWS)
    return (
        y,
        log_y,
        kernels.softmax_backward(ROWS, y),
        kernels.log_softmax_backward(ROWS, log_y),
        *kernels.softmax_cross_entropy(ROWS, LABELS, label_smoothing=0.1),
        *kernels.softmax_cross_entropy(normal(17, 5, 50_000), LABELS[:5]),
        *kernels.linear_softmax_cross_entropy(
            ROWS,
            normal(21, ROWS.shape[1], 900),
            LABELS % 900,
            bias=normal(22, 900),
            chunk_rows=100,
        ),  # fmt: skip
    )


def optimizers() -> Results:
    arrays = [[MANY.copy(), normal(18, 301, 400)] for _ in range(4)]
    arrays[3] = [np.abs(array) for array in arrays[3]]
    kernels.adam_step(*arrays, step=2, lr=0.1, weight_decay=0.01)
    kernels.sgd_step(*arrays[:3], lr=0.1, momentum=0.9, nesterov=True)
    p, g, a, s = arrays
    kernels.rmsprop_step(p, g, s, a, lr=0.1, eps=1.0)
    kernels.adagrad_step(p, g, s, lr=0.1)
    return tuple(array for group in arrays for array in group)


def gradient_clipping() -> Results:
    grads = [MANY.copy(), normal(18, 301, 400)]
    norm = kernels.clip_by_norm(grads, max_norm=1.0)
    scaled = [grad.copy() for grad in grads]
    kernels.clip_by_value(grads, limit=1e-3)
    return (np.array(norm), *scaled, *grads)


def elementwise_loss() -> Results:
    results: list[np.ndarray] = []
    wanted = normal(24, MANY.size)
    for kind in ("squared_error", "binary_cross_entropy_with_logits"):
        for reduction in ("mean", "none"):
            results += kernels.elementwise_loss(MANY, wanted, kind, reduction=reduction)
    return tuple(results)


def elementwise() -> Results:
    return (
        kernels.activation(MANY, "gelu"),
        kernels.activation_backward(MANY, MANY, "gelu"),
        kernels.activation(MANY, "leaky_relu"),
        kernels.dropout(MANY, 0.4, seed=7, offset=1),
        kernels.bias_gradient(normal(19, 100_000, 9)),
        kernels.bias_gradient(ROWS),
        kernels.axis_sum(normal(20, 3, 40_000, 2), 1),
        kernels.arithmetic(ROWS, ROWS[0], "divide"),
        kernels.copy(ROWS.T),
        kernels.concatenate([ROWS, ROWS], 1),
    )


FAMILIES = (
    gemm,
    conv2d,
    conv2d_max_pool2d_backward,
    winograd,
    few_channels,
    depthwise,
    pool2d,
    batch_norm,
    softmax_cross_entropy,
    optimizers,
    elementwise,
    elementwise_loss,
    gradient_clipping,
)


@needs_extension
@pytest.mark.parametrize("isa", [isa for isa in ISAS if isa != "ref"])
@pytest.mark.parametrize("compute", FAMILIES)
def test_same_bits(compute: Callable[[], Results], isa: str) -> None:
    with kernels.backend("cpu"), kernels.use_isa(isa):
        kernels.set_num_threads(1)
        first = compute()
        for threads in THREADS[1:]:
            kernels.set_num_threads(threads)
            for position, (got, wanted) in enumerate(
                zip(compute(), first, strict=True)
            ):
                same = got.tobytes() == wanted.tobytes()
                assert same, f"result {position} on {threads} threads"


@needs_extension
@pytest.mark.parametrize("compute", FAMILIES)
def test_many_threads_compute_what_numpy_computes(
    compute: Callable[[], Results],
) -> None:
    kernels.set_num_threads(3)
    with kernels.backend("cpu"):
        results = compute()
    with kernels.backend("numpy"):
        wanted = compute()
    for position, (got, reference) in enumerate(zip(results, wanted, strict=True)):
        if got.dtype.kind != "f":
            # Rounding decides between two maxima that are all but equal.
            assert np.mean(got != reference) < 1e-4
            continue
        norm = np.linalg.norm(reference.astype(np.float64))
        error = np.linalg.norm(got.astype(np.float64) - reference) / norm
        # numpy's own sums, here in float32, have an error too.
        assert error < 2e-5, f"result {position}: {error}"
