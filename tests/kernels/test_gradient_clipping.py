"""Limits on gradients: against definitions and PyTorch; refused lists are unchanged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, drawn
from optimizer_steps import assert_refused_and_unchanged

from tilewright import kernels

FUNCTIONS = {"clip_by_norm": {"max_norm": 0.5}, "clip_by_value": {"limit": 0.5}}


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    sizes=st.lists(st.integers(0, 70), max_size=6),
    most=st.sampled_from([0.0, 0.3, 2.0, 1e9]),
    seed=st.integers(0, 2**31),
)
def test_drawn_lists(backend, sizes, most, seed) -> None:
    rng = np.random.default_rng(seed)
    grads = [rng.standard_normal(n, np.float32) for n in sizes]
    given_ = [grad.astype(np.float64) for grad in grads]
    wanted = math.sqrt(math.fsum(v * v for grad in given_ for v in grad))
    scale = min(1.0, most / (wanted + 1e-6))
    limited = [grad.copy() for grad in grads]
    with kernels.backend(backend):
        norm = kernels.clip_by_norm(grads, max_norm=most)
        kernels.clip_by_value(limited, limit=most)
    assert isinstance(norm, float) and norm == pytest.approx(wanted, rel=1e-14)
    for got, cut, before in zip(grads, limited, given_, strict=True):
        np.testing.assert_allclose(got, before * scale, rtol=2e-7)
        most32 = float(np.float32(most))
        np.testing.assert_array_equal(cut, np.clip(before, -most32, most32))


@pytest.mark.parametrize("backend", BACKENDS)
def test_against_torch(backend: str, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    grads = [rng.standard_normal(s, np.float32) for s in ((576, 64), (64,), (3, 3, 1))]
    leaves = [torch.zeros(grad.shape, dtype=torch.float64) for grad in grads]
    for leaf, grad in zip(leaves, grads, strict=True):
        leaf.grad = torch.from_numpy(grad).double()
    wanted = torch.nn.utils.clip_grad_norm_(leaves, 3.0)
    with kernels.backend(backend):
        assert kernels.clip_by_norm(grads, max_norm=3.0) == pytest.approx(float(wanted))
        for leaf, grad in zip(leaves, grads, strict=True):
            np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=2e-7)
        torch.nn.utils.clip_grad_value_(leaves, 0.01)
        kernels.clip_by_value(grads, limit=0.01)
    for leaf, grad in zip(leaves, grads, strict=True):
        np.testing.assert_allclose(grad, leaf.grad.numpy(), rtol=2e-7)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_changes_nothing(backend: str, value, rng) -> None:
    grads = [rng.standard_normal(500, np.float32), np.array([value], np.float32)]
    before = grads[0].tobytes()
    with kernels.backend(backend):
        norm = kernels.clip_by_norm(grads, max_norm=1.0)
    assert np.isinf(norm) if value == np.inf else np.isnan(norm)
    assert grads[0].tobytes() == before


def test_nothing_to_clip() -> None:
    assert kernels.clip_by_norm([], max_norm=1.0) == 0.0
    kernels.clip_by_value([], limit=1.0)


def lists() -> list[Any]:
    return [np.full((3, 4), 2.0, np.float32), np.full(5, 3.0, np.float32)]


def read_only(value: np.ndarray) -> np.ndarray:
    value.flags.writeable = False
    return value


WRONG = [
    (lambda v: v.tolist(), TypeError, r"grads\[1\] must be a NumPy array, got list"),
    (lambda v: v.astype(np.float64), TypeError, r"grads\[1\] must be float32"),
    (lambda v: v.astype(np.int32), TypeError, r"grads\[1\] must be float32"),
    (np.ma.masked_array, TypeError, r"grads\[1\] must be a NumPy array without"),
    (read_only, ValueError, r"grads\[1\] must be C-.* it is not writeable"),
    (lambda v: np.repeat(v, 2)[::2], ValueError, r"grads\[1\] .* it is not C-contig"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("spoil", "error", "message"), WRONG)
def test_wrong_arrays(function, spoil, error, message, backend) -> None:
    grads = lists()
    grads[1] = spoil(grads[1])
    with kernels.backend(backend):
        assert_refused_and_unchanged(
            function, [grads], error, f"^{function}: {message}", **FUNCTIONS[function]
        )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_wrong_lists_and_numbers(function: str) -> None:
    grads, options = lists(), FUNCTIONS[function]
    overlap = [grads[0], grads[0].reshape(-1)[3:]]
    assert_refused_and_unchanged(
        function, [overlap], ValueError, "must not overlap each other", **options
    )
    with pytest.raises(TypeError, match="grads must be a list of arrays, got ndarray"):
        getattr(kernels, function)(grads[0], **options)
    for number, error in ((-1.0, ValueError), (math.nan, ValueError), ("1", TypeError)):
        assert_refused_and_unchanged(
            function, [grads], error, f"^{function}: ", **dict.fromkeys(options, number)
        )
