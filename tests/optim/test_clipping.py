"""Gradient clipping beside PyTorch's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tilewright import nn, optim

SHAPES = [(3, 4), (5,), (2, 2)]


def pairs(torch, scale=1.0):
    rng = np.random.default_rng(0)
    ours, theirs = [], []
    for number, shape in enumerate(SHAPES):
        ours.append(nn.Parameter(np.zeros(shape, np.float32)))
        theirs.append(torch.zeros(shape, requires_grad=True))
        if number != 1:
            grad = (scale * rng.standard_normal(shape)).astype(np.float32)
            ours[-1].grad = grad.copy()
            theirs[-1].grad = torch.from_numpy(grad)
    return ours, theirs


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=2e-6)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
def test_norm_as_pytorch(norm_type, scale):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours, theirs = pairs(torch, scale)
    mine = optim.clip_grad_norm_(ours, 0.5, norm_type)
    other = torch.nn.utils.clip_grad_norm_(theirs, 0.5, norm_type)
    assert mine == pytest.approx(other.item(), rel=1e-5)
    assert_same(ours, theirs)


def test_value_as_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours, theirs = pairs(torch)
    optim.clip_grad_value_(iter(ours), 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    assert_same(ours, theirs)


def test_a_norm_that_is_not_finite_changes_nothing():
    weight = nn.Parameter(np.zeros(3, np.float32))
    weight.grad = np.array([1, np.nan, 2], np.float32)
    assert math.isnan(optim.clip_grad_norm_(weight, 1.0))
    np.testing.assert_array_equal(weight.grad.data, [1, np.nan, 2])
    assert optim.clip_grad_norm_([nn.Parameter(np.zeros(1, np.float32))], 1.0) == 0.0


def test_mistakes_are_told():
    weight = nn.Parameter(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="clip_grad_norm_: max_norm must be"):
        optim.clip_grad_norm_(weight, -1.0)
    with pytest.raises(ValueError, match="norm_type must be finite and at least 1"):
        optim.clip_grad_norm_(weight, 1.0, 0.5)
    with pytest.raises(TypeError, match="clip_grad_value_: clip_value must be a num"):
        optim.clip_grad_value_(weight, "1")
