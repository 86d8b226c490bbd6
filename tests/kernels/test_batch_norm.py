"""Batch normalization: against loops and PyTorch; in parts; large arrays; mistakes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import (
    BACKENDS,
    ISAS,
    assert_agrees,
    drawn,
    needs_extension,
    relative_error,
)

from tilewright import kernels


def loop_channel(values: list[float], eps: float) -> tuple[list[float], float, float]:
    """A channel normalized as the paper says it, its mean and its variance."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return [(v - mean) / math.sqrt(variance + eps) for v in values], mean, variance


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_the_oracle_is_the_definition(activation, unbiased, rng) -> None:
    x = rng.standard_normal((2, 3, 4, 5))
    weight, bias, mean, variance = rng.standard_normal((4, 5))
    kept = mean.copy(), np.abs(variance)
    running = kept[0].copy(), kept[1].copy()
    y, saved = kernels.batch_norm(
        x, weight, bias, running_mean=running[0], running_var=running[1], eps=0.01,
        momentum=0.3, unbiased=unbiased, activation=activation,
    )  # fmt: skip
    for c in range(5):
        values = x[..., c].ravel().tolist()
        normalized, mean_of_c, variance_of_c = loop_channel(values, 0.01)
        wanted = np.array(normalized) * weight[c] + bias[c]
        if activation == "relu":
            wanted = np.maximum(wanted, 0)
        np.testing.assert_allclose(y[..., c].ravel(), wanted, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(saved[0, c] + saved[1, c], mean_of_c, rtol=1e-13)
        np.testing.assert_allclose(saved[2, c], 1 / math.sqrt(variance_of_c + 0.01))
        spread = 24 / 23 if unbiased else 1
        for array, before, new in zip(
            running, kept, (mean_of_c, variance_of_c * spread), strict=True
        ):
            np.testing.assert_allclose(array[c], 0.7 * before[c] + 0.3 * new)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_the_oracle_of_the_gradients_is_a_quotient(activation, training, rng) -> None:
    x, dy = rng.standard_normal((2, 7, 3))
    weight, bias = rng.standard_normal((2, 3))
    options: dict[str, Any] = {"training": training, "activation": activation}
    running = {"running_mean": np.full(3, 0.1), "running_var": np.full(3, 1.3)}

    def loss(x, weight, bias):
        kept = {} if training else running
        y, _ = kernels.batch_norm(x, weight, bias, **kept, **options)
        return (y * dy).sum()

    _, saved = kernels.batch_norm(
        x, weight, bias, **({} if training else running), **options
    )
    arguments = [x, weight, bias]
    gradients = kernels.batch_norm_backward(dy, x, saved, weight, bias, **options)
    h = 1e-6
    for position, gradient in enumerate(gradients):
        for at in np.ndindex(gradient.shape):
            step = np.zeros_like(arguments[position])
            step[at] = h
            low, high = (
                loss(*(a + s * step if i == position else a
                       for i, a in enumerate(arguments)))
                for s in (-1, 1)
            )  # fmt: skip
            np.testing.assert_allclose(gradient[at], (high - low) / (2 * h), atol=1e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    rows=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    C=st.integers(1, 70),
    training=st.booleans(),
    centre=st.sampled_from([0.0, 3.0, -1e4]),
    seed=st.integers(0, 2**31),
)
def test_drawn(backend, rows, C, training, centre, seed) -> None:
    rng = np.random.default_rng(seed)
    shape = (5, *rows, C)
    x = rng.standard_normal(shape, np.float32) + np.float32(centre)
    dy = rng.standard_normal(shape, np.float32)
    weight, bias, mean = rng.standard_normal((3, C), np.float32)
    variance = np.abs(rng.standard_normal(C, np.float32)) + np.float32(0.5)
    mean += np.float32(centre)
    running = {"running_mean": mean, "running_var": variance}
    options = {} if training else running
    assert_agrees("batch_norm", backend, x, weight, bias, training=training, **options)
    _, saved = kernels.batch_norm(x, weight, bias, training=training, **options)
    assert_agrees(
        "batch_norm_backward", backend, dy, x, saved, weight, bias, training=training
    )


# Results above 16 MiB go past the caches; 24 channels are folded to 48 columns, and
# of 200,003 rows one is left over.
LARGE = [(70_000, 64), (200_003, 24), (2_100, 2048)]


@needs_extension
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("rows", "C"), LARGE)
def test_large(isa: str, rows: int, C: int, rng) -> None:
    x, dy = rng.standard_normal((2, rows, C), np.float32)
    x += rng.standard_normal(C, np.float32) * 5
    weight, bias = rng.standard_normal((2, C), np.float32)
    some = np.unique([0, 1, C // 2, C - 1])
    options: dict[str, Any] = {"activation": "relu"}
    with kernels.backend("cpu"), kernels.use_isa(isa):
        y, saved = kernels.batch_norm(x, weight, bias, **options)
        got = [y, *kernels.batch_norm_backward(dy, x, saved, weight, bias, **options)]
        moved = dy.copy()
        again, *_ = kernels.batch_norm_backward(
            moved, x, saved, weight, bias, out=moved, **options
        )
    assert again is moved and again.tobytes() == got[1].tobytes()
    wide = [a[..., some].astype(np.float64) for a in (x, weight, bias)]
    with kernels.backend("numpy"):
        expected, kept = kernels.batch_norm(*wide, **options)
        np.testing.assert_allclose(saved[2, some], kept[2], rtol=1e-6)
        # By the kept numbers in float32: relu then lets the same elements through.
        found = kernels.batch_norm_backward(
            dy[:, some].astype(np.float64), wide[0],
            saved[:, some].astype(np.float64), *wide[1:], **options,
        )  # fmt: skip
    for one, wanted in zip(got, [expected, *found], strict=True):
        assert relative_error(one[..., some], wanted) <= 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(40, 3), (6, 5, 7, 33)])
def test_relu_is_the_same_as_relu_afterwards(backend, shape, training, rng) -> None:
    x, dy = rng.standard_normal((2, *shape), np.float32)
    weight, bias = rng.standard_normal((2, shape[-1]), np.float32)
    running = {"running_mean": bias.copy(), "running_var": np.exp(bias)}
    options: dict[str, Any] = {"training": training}
    with kernels.backend(backend):
        y, saved = kernels.batch_norm(x, weight, bias, **running, **options)
        y = kernels.activation(y, "relu")
        passed = kernels.activation_backward(dy, y, "relu")
        apart = kernels.batch_norm_backward(
            passed, x, saved, weight, bias, training=training
        )
        running = {"running_mean": bias.copy(), "running_var": np.exp(bias)}
        options["activation"] = "relu"
        fused, kept = kernels.batch_norm(x, weight, bias, **running, **options)
        together = kernels.batch_norm_backward(dy, x, kept, weight, bias, **options)
    assert (y == 0).any() and (y > 0).any()
    assert fused.tobytes() == y.tobytes() and kept.tobytes() == saved.tobytes()
    for one, other in zip(together, apart, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_mean_of_ten_thousand_costs_no_digits(backend: str, rng) -> None:
    x = rng.standard_normal((8, 28, 28, 7), np.float32) + np.float32(1e4)
    with kernels.backend(backend):
        y, saved = kernels.batch_norm(x, eps=0)
    rows = x.reshape(-1, 7).astype(np.float64)
    wanted = (rows - rows.mean(0)) / rows.std(0)
    # Half a unit of 1e4's last place is 5e-4.
    assert np.abs(y.reshape(-1, 7) - wanted).max() < 3e-6
    np.testing.assert_allclose(saved[2], 1 / rows.std(0), rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("training", [True, False])
def test_against_torch(backend: str, training: bool, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, dy = rng.standard_normal((2, 4, 6, 5, 33), np.float32)
    weight, bias, mean = rng.standard_normal((3, 33), np.float32)
    variance = np.abs(rng.standard_normal(33, np.float32)) + np.float32(0.1)
    running = [torch.from_numpy(a).double() for a in (mean, variance)]
    sources = [
        torch.from_numpy(a).double().requires_grad_()
        for a in (np.moveaxis(x, -1, 1), weight, bias)
    ]
    theirs = torch.nn.functional.batch_norm(
        sources[0], *running, *sources[1:], training=training, momentum=0.2, eps=1e-3
    )
    theirs.backward(torch.from_numpy(np.moveaxis(dy, -1, 1)).double())
    with kernels.backend(backend):
        y, saved = kernels.batch_norm(
            x, weight, bias, running_mean=mean, running_var=variance,
            training=training, momentum=0.2, eps=1e-3,
        )  # fmt: skip
        got = kernels.batch_norm_backward(dy, x, saved, weight, bias, training=training)
    wanted = [np.moveaxis(t.detach().numpy(), 1, -1) for t in (theirs, sources[0].grad)]
    assert relative_error(y, wanted[0]) <= 1e-6
    assert relative_error(got[0], wanted[1]) <= 2e-6
    for one, source in zip(got[1:], sources[1:], strict=True):
        assert relative_error(one, source.grad.numpy()) <= 2e-6
    for array, kept in zip((mean, variance), running, strict=True):
        assert relative_error(array, kept.numpy()) <= 1e-6


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def read_only() -> np.ndarray:
    array = ones(3)
    array.flags.writeable = False
    return array


X = ones(4, 3)
SHARED = ones(8)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"x": ones(3)}, r"x must have at least 2 dimensions, \(..., C\), got 1 \(shape"),
    ({"x": ones(1, 3)}, r"more than 1 value a channel in training, got shape \(1, 3\)"),
    ({"x": ones(0, 3)}, r"more than 1 value a channel in training, got shape \(0, 3\)"),
    (
        {"x": ones(2, 0), "running_mean": ones(0), "running_var": ones(0)},
        r"more than 1 value a channel in training, got shape \(2, 0\)",
    ),
    ({"weight": ones(4)}, r"weight must have shape \(3,\), got \(4,\) \(x: \(4, 3\)\)"),
    ({"bias": ones(1)}, r"bias must have shape \(3,\), got \(1,\)"),
    ({"running_var": None}, "running_mean and running_var must be given together"),
    (
        {"running_mean": None, "running_var": None, "training": False},
        "evaluation needs running_mean and running_var",
    ),
    ({"running_mean": ones(4)}, r"running_mean must have shape \(3,\), got \(4,\)"),
    ({"running_mean": read_only()}, "running_mean must be .* it is not writeable"),
    ({"running_var": ones(6)[::2]}, "running_var must be .* it is not C-contiguous"),
    (
        {"running_mean": SHARED[:3], "running_var": SHARED[2:5]},
        "running_var must not share memory with running_mean",
    ),
    (
        {"running_mean": SHARED[:3], "bias": SHARED[2:5]},
        "running_mean must not share memory with bias",
    ),
    ({"running_var": X[0]}, "running_var must not share memory with x"),
    ({"momentum": 1.5}, r"momentum must be in \[0, 1\], got 1.5"),
    ({"eps": -1e-5}, "eps must be finite and at least 0, got -1e-05"),
    ({"eps": math.nan}, "eps must be finite and at least 0, got nan"),
    ({"activation": "tanh"}, "activation must be one of 'none', 'relu', got 'tanh'"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused(backend: str, changes: dict[str, Any], message: str) -> None:
    call = {"x": X, "running_mean": ones(3), "running_var": ones(3), **changes}
    with (
        kernels.backend(backend),
        pytest.raises(ValueError, match=f"^batch_norm: .*{message}"),
    ):
        kernels.batch_norm(**call)
    for name in ("running_mean", "running_var"):
        assert call[name] is None or (call[name] == 1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_running_arrays_of_another_type(backend: str) -> None:
    with kernels.backend(backend):
        for wrong, message in (
            (np.ones(3), "running_mean must be float32 like x, got float64"),
            (np.ones(3, ">f4"), "running_mean must be float32 .* foreign byte order"),
            ([1.0] * 3, "running_mean must be a NumPy array, got list"),
        ):
            with pytest.raises(TypeError, match=f"^batch_norm: {message}"):
                kernels.batch_norm(X, running_mean=wrong, running_var=ones(3))


@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_refuses(backend: str) -> None:
    dy, saved = ones(4, 3), ones(3, 3)
    with kernels.backend(backend):
        for changes, message in (
            ({"dy": ones(3)}, "dy must have at least 2 dimensions"),
            ({"x": ones(4, 2)}, r"x must have shape \(4, 3\), got \(4, 2\)"),
            ({"saved": ones(2, 3)}, r"saved must have shape \(3, 3\), got \(2, 3\)"),
            ({"activation": "gelu"}, "activation must be one of 'none', 'relu'"),
        ):
            call = {"dy": dy, "x": X, "saved": saved, **changes}
            with pytest.raises(ValueError, match=f"^batch_norm_backward: {message}"):
                kernels.batch_norm_backward(**call)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_into_dy(backend: str, rng) -> None:
    x, dy = rng.standard_normal((2, 5, 4, 3), np.float32)
    with kernels.backend(backend):
        _, saved = kernels.batch_norm(x)
        wanted = kernels.batch_norm_backward(dy, x, saved)
        given = dy.copy()
        got = kernels.batch_norm_backward(given, x, saved, out=given)
        assert got[0] is given
        for one, other in zip(got, wanted, strict=True):
            assert one.tobytes() == other.tobytes()
        both = ones(6, 4, 3)
        with pytest.raises(ValueError, match="out must not share memory with dy"):
            kernels.batch_norm_backward(both[:5], x, saved, out=both[1:])
