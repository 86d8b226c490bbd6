"""rmsprop_step and adagrad_step: against loops, PyTorch over many steps; refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, drawn, relative_error
from optimizer_steps import assert_refused_and_unchanged

from tilewright import kernels

# Whether there is a mean gradient, whether a momentum buffer, and the options.
OPTIONS = [
    (False, False, {}),
    (False, False, {"alpha": 0.9, "eps": 0.1, "weight_decay": 0.2}),
    (False, False, {"eps": 0.1, "eps_in_root": True}),
    (False, True, {}),
    (False, True, {"momentum": 0.9, "weight_decay": 0.2}),
    (True, False, {"alpha": 0.8}),
    (True, False, {"alpha": 0.8, "eps": 0.1, "eps_in_root": True}),
    (True, True, {"alpha": 0.95, "momentum": 0.5, "weight_decay": 0.2}),
]
ADAGRAD = [
    {},
    {"eps": 0.1, "weight_decay": 0.2},
    {"eps": 0.1, "eps_in_root": True, "weight_decay": 0.2},
]


def divisor(v, eps, eps_in_root):
    return math.sqrt(v + eps) if eps_in_root else math.sqrt(v) + eps


def loop_step(
    p, g, s, a, b, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0,
    eps_in_root=False,
):  # fmt: skip
    """The docstring's formulas on one number; a and b may be None."""
    g += weight_decay * p
    s = alpha * s + (1 - alpha) * g * g
    v = s
    if a is not None:
        a = alpha * a + (1 - alpha) * g
        v = max(s - a * a, 0)
    d = g / divisor(v, eps, eps_in_root)
    if b is not None:
        b = d = momentum * b + d
    return p - lr * d, s, a, b


def lists(rng, sizes, centered, momentum, dtype) -> list:
    def arrays(make):
        return [make(size).astype(dtype) for size in sizes]

    return [
        arrays(rng.standard_normal),
        arrays(rng.standard_normal),
        arrays(lambda size: 1 + rng.random(size)),
        arrays(lambda size: 0.5 * rng.random(size)) if centered else None,
        arrays(rng.standard_normal) if momentum else None,
    ]


def widened(given: list) -> list:
    return [g if g is None else [a.astype(np.float64) for a in g] for g in given]


def assert_close(got: list, wanted: list, most: float) -> None:
    for ours, others in zip(got, wanted, strict=True):
        assert (ours is None) == (others is None)
        for one, other in zip(ours or (), others or (), strict=True):
            assert relative_error(one, other) < most


@pytest.mark.parametrize(("centered", "momentum", "options"), OPTIONS)
def test_the_oracle_is_the_definition(centered, momentum, options, rng) -> None:
    arrays = lists(rng, [9], centered, momentum, np.float64)
    columns = [[None] * 9 if each is None else each[0] for each in arrays]
    wanted = [loop_step(*n, lr=0.1, **options) for n in zip(*columns, strict=True)]
    kernels.rmsprop_step(*arrays, lr=0.1, **options)
    kept = [arrays[place] for place in (0, 2, 3, 4)]
    for got, column in zip(kept, zip(*wanted, strict=True), strict=True):
        if got is not None:
            np.testing.assert_allclose(got[0], column, rtol=1e-13)


@pytest.mark.parametrize("options", ADAGRAD)
def test_the_oracle_of_adagrad_is_the_definition(options, rng) -> None:
    p, g, s = (each[0] for each in lists(rng, [9], False, False, np.float64)[:3])
    decay, root = options.get("weight_decay", 0), options.get("eps_in_root", False)
    wanted = []
    for one, grad, total in zip(p, g, s, strict=True):
        grad += decay * one
        total += grad * grad
        by = divisor(total, options.get("eps", 1e-10), root)
        wanted.append((one - 0.1 * grad / by, total))
    kernels.adagrad_step([p], [g], [s], lr=0.1, **options)
    np.testing.assert_allclose(np.stack([p, s]), np.transpose(wanted), rtol=1e-13)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    sizes=st.lists(st.integers(0, 70), max_size=6),
    case=st.sampled_from(OPTIONS),
    seed=st.integers(0, 2**31),
)
def test_drawn_lists(backend, sizes, case, seed) -> None:
    centered, momentum, options = case
    rng = np.random.default_rng(seed)
    arrays = lists(rng, sizes, centered, momentum, np.float32)
    wide = widened(arrays)
    with kernels.backend(backend):
        kernels.rmsprop_step(*arrays, lr=0.1, **options)
    kernels.rmsprop_step(*wide, lr=0.1, **options)
    assert_close(arrays, wide, 1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    sizes=st.lists(st.integers(0, 70), max_size=6),
    options=st.sampled_from(ADAGRAD),
    seed=st.integers(0, 2**31),
)
def test_drawn_lists_of_adagrad(backend, sizes, options, seed) -> None:
    rng = np.random.default_rng(seed)
    arrays = lists(rng, sizes, False, False, np.float32)[:3]
    wide = widened(arrays)
    with kernels.backend(backend):
        kernels.adagrad_step(*arrays, lr=0.1, **options)
    kernels.adagrad_step(*wide, lr=0.1, **options)
    assert_close(arrays, wide, 1e-6)


TORCH = [
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.9, "weight_decay": 0.1, "momentum": 0.9}),
    ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "centered": True, "momentum": 0.5}),
    ("Adagrad", {}),
    ("Adagrad", {"eps": 1e-3, "weight_decay": 0.1}),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("kind", "options"), TORCH, ids=str)
def test_twenty_steps_against_torch(backend: str, kind: str, options, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    shapes = ((3, 3, 2, 8), (8,), (70, 10))
    params = [rng.standard_normal(shape, np.float32) for shape in shapes]
    kept = [[np.zeros_like(p) for p in params] for _ in range(3)]
    theirs = [torch.from_numpy(p.copy()).double().requires_grad_() for p in params]
    optimizer = getattr(torch.optim, kind)(theirs, lr=0.01, **options)
    options = dict(options)
    squares, means, buffers = kept
    if not options.pop("centered", False):
        means = None
    for _ in range(20):
        grads = [rng.standard_normal(shape, np.float32) for shape in shapes]
        for their, grad in zip(theirs, grads, strict=True):
            their.grad = torch.from_numpy(grad).double()
        optimizer.step()
        with kernels.backend(backend):
            if kind == "Adagrad":
                kernels.adagrad_step(params, grads, squares, lr=0.01, **options)
                continue
            kernels.rmsprop_step(
                params, grads, squares, means, buffers, lr=0.01, **options
            )
    for ours, their in zip(params, theirs, strict=True):
        assert relative_error(ours, their.detach().numpy()) <= 3e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_variance_that_rounding_makes_negative_is_none(backend: str) -> None:
    """Of one gradient again and again the variance is a remainder of either sign."""
    values = np.linspace(0.1, 9.9, 99, dtype=np.float32)
    arrays = [[np.zeros(99, np.float32)] for _ in range(3)]
    params, squares, means = arrays
    with kernels.backend(backend):
        for _ in range(200):
            kernels.rmsprop_step(
                params, [values], squares, means, lr=1e-3, alpha=0.5, eps_in_root=True
            )
    assert (squares[0] < means[0].astype(np.float64) ** 2).any()
    assert np.isfinite(params[0]).all() and (params[0] < 0).all()


NUMBERS = [
    ({"lr": -0.1}, ValueError, "lr must be finite and at least 0, got -0.1"),
    ({"lr": math.nan}, ValueError, "lr must be finite and at least 0, got nan"),
    ({"lr": None}, TypeError, "lr must be a number, got NoneType"),
    ({"eps": -1e-8}, ValueError, "eps must be finite and at least 0"),
    ({"weight_decay": -1}, ValueError, "weight_decay must be finite and at least 0"),
]
OF_RMSPROP = [
    ({"alpha": 1.0}, ValueError, r"alpha must be in \[0, 1\), got 1.0"),
    ({"momentum": -0.5}, ValueError, r"momentum must be in \[0, 1\), got -0.5"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("changes", "error", "message"), [*NUMBERS, *OF_RMSPROP])
def test_numbers_refused(backend, changes, error, message, rng) -> None:
    arrays = lists(rng, [5], True, True, np.float32)
    given = {"lr": 0.1, **changes}
    with kernels.backend(backend):
        assert_refused_and_unchanged(
            "rmsprop_step", arrays, error, f"^rmsprop_step: {message}", **given
        )
        if not {"alpha", "momentum"} & set(changes):
            assert_refused_and_unchanged(
                "adagrad_step", arrays[:3], error, f"^adagrad_step: {message}", **given
            )


@pytest.mark.parametrize("backend", BACKENDS)
def test_momentum_needs_its_buffers(backend, rng) -> None:
    arrays = lists(rng, [5], True, False, np.float32)
    with kernels.backend(backend):
        message = r"^rmsprop_step: momentum=0\.9 needs momentum_buffers"
        assert_refused_and_unchanged(
            "rmsprop_step", arrays, ValueError, message, lr=0.1, momentum=0.9
        )
