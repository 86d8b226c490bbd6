"""adam_step: against loops, PyTorch over many steps; refused steps change nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, drawn, relative_error
from optimizer_steps import assert_refused_and_unchanged

from tilewright import kernels

FLAGS = list(itertools.product((False, True), repeat=2))


def loop_step(
    p, g, m, v, *, step, lr, betas, eps, weight_decay, decoupled, bias_correction
):
    """The docstring's formulas on one number."""
    b1, b2 = betas
    if decoupled:
        p -= lr * weight_decay * p
    else:
        g += weight_decay * p
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    if bias_correction:
        root = math.sqrt(v) / math.sqrt(1 - b2**step)
        return p - lr / (1 - b1**step) * m / (root + eps), m, v
    return p - lr * m / (math.sqrt(v) + eps), m, v


def arrays(rng: np.random.Generator, size: int, dtype: type) -> list[np.ndarray]:
    p, g, m = rng.standard_normal((3, size)).astype(dtype)
    return [p, g, m, (0.1 + rng.random(size)).astype(dtype)]


def options(decoupled: bool, bias_correction: bool, **others) -> dict:
    return {
        "step": 3,
        "lr": 0.01,
        "betas": (0.8, 0.95),
        "eps": 1e-3,
        "weight_decay": 0.2,
        "decoupled": decoupled,
        "bias_correction": bias_correction,
        **others,
    }


@pytest.mark.parametrize(("decoupled", "bias_correction"), FLAGS)
def test_the_oracle_is_the_definition(decoupled, bias_correction, rng) -> None:
    p, g, m, v = arrays(rng, 7, np.float64)
    chosen = options(decoupled, bias_correction)
    wanted = [loop_step(*numbers, **chosen) for numbers in zip(p, g, m, v, strict=True)]
    kernels.adam_step([p], [g], [m], [v], **chosen)
    np.testing.assert_allclose(np.stack([p, m, v]), np.transpose(wanted), rtol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    sizes=st.lists(st.integers(0, 70), max_size=6),
    step=st.sampled_from([1, 2, 1000]),
    flags=st.sampled_from(FLAGS),
    weight_decay=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 2**31),
)
def test_drawn_lists(backend, sizes, step, flags, weight_decay, seed) -> None:
    rng = np.random.default_rng(seed)
    each = [arrays(rng, size, np.float32) for size in sizes]
    lists = [[four[position] for four in each] for position in range(4)]
    wide = [[array.astype(np.float64) for array in group] for group in lists]
    chosen = options(*flags, step=step, weight_decay=weight_decay)
    with kernels.backend(backend):
        kernels.adam_step(*lists, **chosen)
    kernels.adam_step(*wide, **chosen)
    for got, wanted in zip(lists, wide, strict=True):
        for one, other in zip(got, wanted, strict=True):
            assert relative_error(one, other) < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("decoupled", [False, True])
def test_twenty_steps_against_torch(backend: str, decoupled: bool, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    shapes = ((3, 3, 2, 8), (8,), (70, 10))
    params = [rng.standard_normal(shape, np.float32) for shape in shapes]
    moments = [[np.zeros_like(p) for p in params] for _ in range(2)]
    theirs = [torch.from_numpy(p.copy()).double().requires_grad_() for p in params]
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimizer = kind(theirs, lr=0.01, weight_decay=0.1)
    for step in range(1, 21):
        grads = [rng.standard_normal(shape, np.float32) for shape in shapes]
        for their, grad in zip(theirs, grads, strict=True):
            their.grad = torch.from_numpy(grad).double()
        optimizer.step()
        with kernels.backend(backend):
            kernels.adam_step(
                params,
                grads,
                *moments,
                step=step,
                lr=0.01,
                weight_decay=0.1,
                decoupled=decoupled,
            )
    for ours, their in zip(params, theirs, strict=True):
        assert relative_error(ours, their.detach().numpy()) <= 2e-6


NUMBERS = [
    ({"step": 0}, ValueError, "step must be at least 1, got 0"),
    ({"step": 1.0}, TypeError, "step must be an int, got float"),
    ({"lr": -0.1}, ValueError, "lr must be finite and at least 0, got -0.1"),
    ({"lr": math.inf}, ValueError, "lr must be finite and at least 0, got inf"),
    ({"lr": math.nan}, ValueError, "lr must be finite and at least 0, got nan"),
    ({"lr": "0.1"}, TypeError, "lr must be a number, got str"),
    ({"betas": (1.0, 0.9)}, ValueError, r"betas\[0\] must be in \[0, 1\), got 1.0"),
    ({"betas": (0.9, -0.1)}, ValueError, r"betas\[1\] must be in \[0, 1\), got -0.1"),
    ({"betas": 0.9}, ValueError, "betas must be a pair of numbers, got 0.9"),
    ({"betas": (0.9,)}, ValueError, "betas must be a pair of numbers"),
    ({"eps": -1e-8}, ValueError, "eps must be finite and at least 0"),
    ({"weight_decay": -1}, ValueError, "weight_decay must be finite and at least 0"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("changes", "error", "message"), NUMBERS)
def test_numbers_refused(backend, changes, error, message, rng) -> None:
    lists = [[array] for array in arrays(rng, 5, np.float32)]
    chosen = {"step": 1, "lr": 0.1, **changes}
    with kernels.backend(backend):
        assert_refused_and_unchanged(
            "adam_step", lists, error, f"^adam_step: {message}", **chosen
        )
