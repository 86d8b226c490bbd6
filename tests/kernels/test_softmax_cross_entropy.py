"""Softmax and cross-entropy: against loops, drawn options, PyTorch; bad labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, assert_agrees, drawn, relative_error

from tilewright import kernels
from tilewright.kernels.softmax_cross_entropy import REDUCTIONS


def loop_loss(
    logits: np.ndarray,
    labels: np.ndarray,
    smoothing: float,
    ignored: int | None,
    weight: np.ndarray | None,
    reduction: str,
) -> float | list[float]:
    """The loss as the docstring says it, a number at a time."""
    C = logits.shape[1]
    w = [1.0] * C if weight is None else weight.tolist()
    losses, shares = [], 0.0
    for row, t in zip(logits.tolist(), labels.tolist(), strict=True):
        total = sum(math.exp(x) for x in row)
        log_p = [math.log(math.exp(x) / total) for x in row]
        if t == ignored:
            losses.append(0.0)
            continue
        rest = sum(w[c] * log_p[c] for c in range(C))
        losses.append(-(1 - smoothing) * w[t] * log_p[t] - smoothing / C * rest)
        shares += w[t]
    if reduction == "none":
        return losses
    return sum(losses) / (shares if reduction == "mean" else 1)


OPTIONS = [
    (smoothing, ignored, weighted)
    for smoothing in (0.0, 0.3, 1.0)
    for ignored in (None, -1, 2)
    for weighted in (False, True)
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("smoothing", "ignored", "weighted"), OPTIONS)
def test_the_oracle_is_the_definition(
    smoothing, ignored, weighted, reduction, rng
) -> None:
    logits = rng.standard_normal((6, 4))
    labels = np.array([0, 1, 2, 3, 2, 0])
    if ignored == -1:
        labels[1] = -1
    weight = rng.random(4) + 0.1 if weighted else None

    def loss_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return kernels.softmax_cross_entropy(
            values,
            labels,
            label_smoothing=smoothing,
            ignore_index=ignored,
            class_weight=weight,
            reduction=reduction,
        )

    loss, dlogits = loss_of(logits)
    wanted = loop_loss(logits, labels, smoothing, ignored, weight, reduction)
    np.testing.assert_allclose(loss, wanted, rtol=1e-12)
    assert loss.shape == ((6,) if reduction == "none" else ())
    h = 1e-6
    for at in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[at] = h
        slope = (loss_of(logits + step)[0] - loss_of(logits - step)[0]) / (2 * h)
        np.testing.assert_allclose(dlogits[at], slope.sum(), atol=1e-8)


def test_the_oracle_of_softmax_is_the_definition(rng) -> None:
    x, dy = rng.standard_normal((2, 3, 5))
    y = kernels.softmax(x)
    for row, result in zip(x, y, strict=True):
        total = sum(math.exp(value) for value in row)
        np.testing.assert_allclose(result, [math.exp(v) / total for v in row], 1e-13)
    np.testing.assert_allclose(kernels.log_softmax(x), np.log(y), rtol=1e-13)
    h = 1e-6
    for forward, backward in (
        (kernels.softmax, kernels.softmax_backward),
        (kernels.log_softmax, kernels.log_softmax_backward),
    ):
        dx = backward(dy, forward(x))
        for at in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[at] = h
            slope = (dy * (forward(x + step) - forward(x - step))).sum() / (2 * h)
            np.testing.assert_allclose(dx[at], slope, atol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple),
    data=st.data(),
    scale=st.sampled_from([0.1, 1.0, 30.0]),
    seed=st.integers(0, 2**31),
)
def test_drawn_softmax(backend, shape, data, scale, seed) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    rng = np.random.default_rng(seed)
    x = np.float32(scale) * rng.standard_normal(shape, np.float32)
    for function in ("softmax", "log_softmax"):
        if function == "log_softmax" and shape[axis] == 1:
            continue  # is 0, and has no relative error
        assert_agrees(function, backend, x, axis)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    sizes=st.tuples(st.integers(0, 30), st.integers(2, 70)),
    smoothing=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    ignored=st.sampled_from([None, -100, 1]),
    weighted=st.booleans(),
    reduction=st.sampled_from(REDUCTIONS),
    seed=st.integers(0, 2**31),
)
def test_drawn_losses(
    backend, sizes, smoothing, ignored, weighted, reduction, seed
) -> None:
    N, C = sizes
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, C, N)
    if ignored is not None:
        labels[rng.random(N) < 0.3] = ignored
    assert_agrees(
        "softmax_cross_entropy",
        backend,
        rng.standard_normal((N, C), np.float32),
        labels,
        label_smoothing=smoothing,
        ignore_index=ignored,
        class_weight=rng.random(C, np.float32) + np.float32(0.1) if weighted else None,
        reduction=reduction,
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("smoothing", "ignored", "weighted"), OPTIONS)
def test_against_torch(backend, smoothing, ignored, weighted, reduction, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    logits = rng.standard_normal((50, 33), np.float32)
    labels = rng.integers(0, 33, 50)
    if ignored == -1:
        labels[::4] = -1
    weight = rng.random(33, np.float32) + np.float32(0.1)
    source = torch.from_numpy(logits).double().requires_grad_()
    wanted = torch.nn.functional.cross_entropy(
        source,
        torch.from_numpy(labels),
        weight=torch.from_numpy(weight).double() if weighted else None,
        ignore_index=-100 if ignored is None else ignored,
        label_smoothing=smoothing,
        reduction=reduction,
    )
    wanted.sum().backward()
    with kernels.backend(backend):
        loss, dlogits = kernels.softmax_cross_entropy(
            logits,
            labels,
            label_smoothing=smoothing,
            ignore_index=ignored,
            class_weight=weight if weighted else None,
            reduction=reduction,
        )
    assert relative_error(loss, wanted.detach().numpy()) <= 2e-6
    assert relative_error(dlogits, source.grad.numpy()) <= 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_sum_to_one(backend: str, rng) -> None:
    x = 1e4 * rng.standard_normal((20, 77), np.float32)
    with kernels.backend(backend):
        np.testing.assert_allclose(kernels.softmax(x).sum(1), 1, rtol=1e-6)
        assert np.isfinite(kernels.log_softmax(x)).all()


LOGITS = np.zeros((3, 4), np.float32)
LABELS = np.array([0, 3, 2])
REFUSED = [
    ({"labels": [0, 4, 2]}, r"labels must be in \[0, 4\), got 4 at position 1"),
    ({"labels": [0, 1, -1]}, r"labels must be in \[0, 4\), got -1 at position 2"),
    ({"labels": [2**62, 1, 1]}, r"got 4611686018427387904 at position 0"),
    (
        {"labels": [-7, 9, -7], "ignore_index": -7},
        r"labels must be in \[0, 4\) or -7, the ignore_index, got 9 at position 1",
    ),
    ({"labels": [0, 1]}, r"labels must have shape \(3,\), got \(2,\)"),
    ({"labels": [[0, 1, 2]]}, r"labels must have shape \(3,\), got \(1, 3\)"),
    ({"label_smoothing": 1.5}, r"label_smoothing must be in \[0, 1\], got 1.5"),
    ({"label_smoothing": -0.1}, r"label_smoothing must be in \[0, 1\], got -0.1"),
    ({"label_smoothing": math.nan}, r"label_smoothing must be in \[0, 1\], got nan"),
    ({"class_weight": np.ones(3, np.float32)}, r"class_weight must have shape \(4,\)"),
    ({"reduction": "batchmean"}, "reduction must be one of 'mean', 'sum', 'none', got"),
    ({"logits": LOGITS[:, :0]}, r"logits have 0 classes \(logits: \(3, 0\)\)"),
    ({"ignore_index": 2**40}, "ignore_index must be at most 2147483647"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused(backend: str, changes: dict, message: str) -> None:
    call = {"logits": LOGITS, "labels": LABELS, **changes}
    call["labels"] = np.asarray(call["labels"])
    with (
        kernels.backend(backend),
        pytest.raises(ValueError, match=f"^softmax_cross_entropy: .*{message}"),
    ):
        kernels.softmax_cross_entropy(**call)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS.astype(np.float32), "labels must be int32 or int64, got float32"),
        (LABELS.astype(np.uint8), "labels must be int32 or int64, got uint8"),
        (LABELS.astype(">i8"), "labels must be int32 or int64, got >i8"),
        (LABELS.tolist(), "labels must be a NumPy array, got list"),
        (np.ma.masked_array(LABELS), "labels must be a NumPy array without a mask"),
    ],
)
def test_labels_of_another_type(backend: str, labels: object, message: str) -> None:
    with kernels.backend(backend), pytest.raises(TypeError, match=message):
        kernels.softmax_cross_entropy(LOGITS, labels)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", ["softmax", "log_softmax"])
def test_axes_refused(backend: str, function: str) -> None:
    call = getattr(kernels, function)
    x = np.zeros((2, 3, 4), np.float32)
    with kernels.backend(backend):
        with pytest.raises(
            ValueError, match=rf"^{function}: axis must be in \[-3, 3\) "
        ):
            call(x, 3)
        with pytest.raises(ValueError, match=f"^{function}: axis must be in .* got -4"):
            call(x, -4)
        with pytest.raises(TypeError, match=f"^{function}: axis must be an int"):
            call(x, (0, 1))
        with pytest.raises(ValueError, match=f"^{function}: axis 1 of x is empty"):
            call(x[:, :0], 1)
        with pytest.raises(
            ValueError, match=f"^{function}: x must have at least 1 dim"
        ):
            call(np.ones((), np.float32))
        with pytest.raises(ValueError, match=f"{function}_backward: y must have shape"):
            getattr(kernels, f"{function}_backward")(x, x[:1])
