"""Losses of elements: against definitions and PyTorch, extreme numbers, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, assert_agrees, drawn, relative_error

from tilewright import kernels
from tilewright.kernels.conformance.elementwise_loss import outputs, targets
from tilewright.kernels.elementwise_loss import LOSSES, REDUCTIONS

DELTA = 0.8


def sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


def cross_entropy(x: float, t: float) -> float:
    return -(t * math.log(x) + (1 - t) * math.log(1 - x))


SCALAR = {
    "squared_error": lambda x, t: (x - t) ** 2,
    "absolute_error": lambda x, t: abs(x - t),
    "huber": lambda x, t: (
        (x - t) ** 2 / 2 if abs(x - t) <= DELTA else DELTA * (abs(x - t) - DELTA / 2)
    ),
    "binary_cross_entropy": cross_entropy,
    "binary_cross_entropy_with_logits": lambda x, t: cross_entropy(sigmoid(x), t),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_the_oracle_is_the_definition(kind: str, rng) -> None:
    x = np.asarray(outputs(rng, kind, 60), np.float64)
    t = np.asarray(targets(rng, kind, 60), np.float64)
    wanted = [SCALAR[kind](*pair) for pair in zip(x, t, strict=True)]
    loss, dx = kernels.elementwise_loss(x, t, kind, reduction="none", delta=DELTA)
    np.testing.assert_allclose(loss, wanted, rtol=1e-9)
    h = 1e-6
    up, _ = kernels.elementwise_loss(x + h, t, kind, reduction="none", delta=DELTA)
    low, _ = kernels.elementwise_loss(x - h, t, kind, reduction="none", delta=DELTA)
    np.testing.assert_allclose(dx, (up - low) / (2 * h), rtol=1e-5, atol=1e-8)
    for reduction, divisor in (("sum", 1), ("mean", 60)):
        total, slope = kernels.elementwise_loss(
            x, t, kind, reduction=reduction, delta=DELTA
        )
        np.testing.assert_allclose(total, sum(wanted) / divisor, rtol=1e-12)
        np.testing.assert_allclose(slope, dx / divisor, rtol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    shape=st.lists(st.integers(0, 20), max_size=3).map(tuple),
    kind=st.sampled_from(LOSSES),
    reduction=st.sampled_from(REDUCTIONS),
    delta=st.sampled_from([0.1, 1.0, 3.0]),
    seed=st.integers(0, 2**31),
)
def test_drawn_arrays(backend, shape, kind, reduction, delta, seed) -> None:
    rng = np.random.default_rng(seed)
    x, t = outputs(rng, kind, *shape), targets(rng, kind, *shape)
    options = {"reduction": reduction, "delta": delta}
    assert_agrees("elementwise_loss", backend, x, t, kind, **options)


TORCH = {
    "squared_error": "mse_loss",
    "absolute_error": "l1_loss",
    "huber": "huber_loss",
    **{kind: kind for kind in LOSSES if kind.startswith("binary")},
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", LOSSES)
def test_against_torch(backend: str, kind: str, reduction: str, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, t = outputs(rng, kind, 40, 25), targets(rng, kind, 40, 25)
    x.flat[:4], t.flat[:4] = (1, 0, 1, 0), (1, 0, 0, 1)  # probabilities at the ends
    source = torch.from_numpy(x).double().requires_grad_()
    options = {"delta": DELTA} if kind == "huber" else {}
    wanted = getattr(torch.nn.functional, TORCH[kind])(
        source, torch.from_numpy(t).double(), reduction=reduction, **options
    )
    wanted.sum().backward()
    with kernels.backend(backend):
        loss, dx = kernels.elementwise_loss(
            x, t, kind, reduction=reduction, delta=DELTA
        )
    assert relative_error(loss, wanted.detach().numpy()) < 1e-6
    assert relative_error(dx, source.grad.numpy()) < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_confident_logits_lose_no_digits(backend: str) -> None:
    x = np.array([30, -30, 80, 1e30], np.float32)
    with kernels.backend(backend):
        loss, dx = kernels.elementwise_loss(
            x,
            np.array([1, 0, 1, 1], np.float32),
            "binary_cross_entropy_with_logits",
            reduction="none",
        )
    small = math.exp(-30)
    np.testing.assert_allclose(loss, [small, small, math.exp(-80), 0], rtol=1e-6)
    np.testing.assert_allclose(dx, [-small, small, -math.exp(-80), 0], rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_what_is_no_probability(backend: str, reduction: str) -> None:
    x = np.full((5, 7), 0.5, np.float32)
    x[0, 0] = np.nan
    with kernels.backend(backend):
        loss, _ = kernels.elementwise_loss(
            x, x, "binary_cross_entropy", reduction=reduction
        )
        assert np.isnan(loss).any()  # NaN is an answer, not an error
        x[4, 6] = 1.5
        with pytest.raises(
            ValueError,
            match=r"^binary_cross_entropy: x must be probabilities in \[0, 1\], got "
            r"values in \[0\.5, 1\.5\]; for logits there is",
        ):
            kernels.elementwise_loss(x, x, "binary_cross_entropy", reduction=reduction)


X = np.zeros((2, 3), np.float32)
WRONG = [
    ((X, X[0], "huber"), {}, ValueError, r"target must have shape \(2, 3\)"),
    ((X, X, "mae"), {}, ValueError, "kind must be one of 'squared_error', "),
    ((X, X, "huber"), {"reduction": "max"}, ValueError, "reduction must be one of "),
    ((X, X, "huber"), {"delta": 0.0}, ValueError, "delta must be above 0, got 0.0"),
    ((X, X, "huber"), {"delta": -1.0}, ValueError, "delta must be"),
    ((X, X, "huber"), {"delta": "1"}, TypeError, "delta must be"),
]


@pytest.mark.parametrize(("args", "options", "error", "message"), WRONG)
def test_bad_input(args, options, error, message) -> None:
    with pytest.raises(error, match=f"^elementwise_loss: {message}"):
        kernels.elementwise_loss(*args, **options)
