"""sgd_step: against loops, PyTorch over many steps; refused steps change nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, drawn, relative_error
from optimizer_steps import assert_refused_and_unchanged

from tilewright import kernels

OPTIONS = [
    {},
    {"weight_decay": 0.2},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.2},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "nesterov": True, "weight_decay": 0.2},
]


def loop_step(p, g, buf, *, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    """The docstring's formulas on one number."""
    g += weight_decay * p
    buf = momentum * buf + g
    return p - lr * (g + momentum * buf if nesterov else buf), buf


@pytest.mark.parametrize("options", OPTIONS)
def test_the_oracle_is_the_definition(options: dict, rng) -> None:
    p, g, buf = rng.standard_normal((3, 9))
    wanted = [loop_step(*n, lr=0.1, **options) for n in zip(p, g, buf, strict=True)]
    without = [loop_step(*n, 0.0, lr=0.1, **options) for n in zip(p, g, strict=True)]
    alone = p.copy()
    kernels.sgd_step([p], [g], [buf], lr=0.1, **options)
    np.testing.assert_allclose(np.stack([p, buf]), np.transpose(wanted), rtol=1e-13)
    if "momentum" not in options:
        kernels.sgd_step([alone], [g], lr=0.1, **options)
        np.testing.assert_allclose(alone, [one for one, _ in without], rtol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    sizes=st.lists(st.integers(0, 70), max_size=6),
    options=st.sampled_from(OPTIONS),
    buffers=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_drawn_lists(backend, sizes, options, buffers, seed) -> None:
    rng = np.random.default_rng(seed)
    lists = [[rng.standard_normal(n, np.float32) for n in sizes] for _ in range(3)]
    if not (buffers or "momentum" in options):
        lists.pop()
    wide = [[array.astype(np.float64) for array in group] for group in lists]
    with kernels.backend(backend):
        kernels.sgd_step(*lists, lr=0.1, **options)
    kernels.sgd_step(*wide, lr=0.1, **options)
    for got, wanted in zip(lists, wide, strict=True):
        for one, other in zip(got, wanted, strict=True):
            assert relative_error(one, other) < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_twenty_steps_against_torch(backend: str, options: dict, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    shapes = ((3, 3, 2, 8), (8,), (70, 10))
    params = [rng.standard_normal(shape, np.float32) for shape in shapes]
    buffers = [np.zeros_like(p) for p in params]
    theirs = [torch.from_numpy(p.copy()).double().requires_grad_() for p in params]
    optimizer = torch.optim.SGD(theirs, lr=0.01, **options)
    for _ in range(20):
        grads = [rng.standard_normal(shape, np.float32) for shape in shapes]
        for their, grad in zip(theirs, grads, strict=True):
            their.grad = torch.from_numpy(grad).double()
        optimizer.step()
        with kernels.backend(backend):
            kernels.sgd_step(params, grads, buffers, lr=0.01, **options)
    for ours, their in zip(params, theirs, strict=True):
        assert relative_error(ours, their.detach().numpy()) <= 2e-6


NUMBERS = [
    ({"lr": -0.1}, ValueError, "lr must be finite and at least 0, got -0.1"),
    ({"lr": math.nan}, ValueError, "lr must be finite and at least 0, got nan"),
    ({"lr": None}, TypeError, "lr must be a number, got NoneType"),
    ({"momentum": 1.0}, ValueError, r"momentum must be in \[0, 1\), got 1.0"),
    ({"momentum": -0.5}, ValueError, r"momentum must be in \[0, 1\), got -0.5"),
    ({"weight_decay": -1}, ValueError, "weight_decay must be finite and at least 0"),
    ({"nesterov": True}, ValueError, "nesterov=True needs a momentum above 0"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("changes", "error", "message"), NUMBERS)
def test_numbers_refused(backend, changes, error, message, rng) -> None:
    lists = [[array] for array in rng.standard_normal((3, 5)).astype(np.float32)]
    with kernels.backend(backend):
        assert_refused_and_unchanged(
            "sgd_step", lists, error, f"^sgd_step: {message}", **{"lr": 0.1, **changes}
        )
        message = r"^sgd_step: momentum=0\.9 needs momentum_buffers"
        assert_refused_and_unchanged(
            "sgd_step", lists[:2], ValueError, message, lr=0.1, momentum=0.9
        )
