"""Initialisers: their bounds and spread, what they draw from, and their fans."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn
from tilewright.nn import init

SHAPE = (3, 3, 40, 60)
FAN_IN, FAN_OUT = 360, 540


def test_fans():
    assert init.fans(np.empty(SHAPE)) == (FAN_IN, FAN_OUT)
    assert init.fans(np.empty((5, 7))) == (5, 7)
    assert init.fans(nn.Conv2d(8, 12, (1, 5), groups=4).weight) == (10, 60)
    with pytest.raises(
        ValueError, match=r"at least 2 dimensions to have fans, got \(3"
    ):
        init.fans(np.empty(3))


@pytest.mark.parametrize(
    ("fill", "bound"),
    [
        (lambda w: init.uniform_(w, -0.5, 0.5), 0.5),
        (init.xavier_uniform_, math.sqrt(6 / (FAN_IN + FAN_OUT))),
        (lambda w: init.xavier_uniform_(w, 2), 2 * math.sqrt(6 / (FAN_IN + FAN_OUT))),
        (init.kaiming_uniform_, math.sqrt(6 / FAN_IN)),
        (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), 1 / math.sqrt(FAN_IN)),
        (
            lambda w: init.kaiming_uniform_(w, 0, "fan_out", "tanh"),
            5 / 3 * math.sqrt(3 / FAN_OUT),
        ),
    ],
)
def test_uniform(fill, bound):
    tw.manual_seed(0)
    weight = np.empty(SHAPE, np.float32)
    assert fill(weight) is weight
    assert 0.999 * bound < np.abs(weight).max() <= np.float32(bound)
    assert abs(weight.mean()) < 0.01 * bound
    assert abs(weight.std() / (bound / math.sqrt(3)) - 1) < 0.01


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda w: init.normal_(w, 0, 0.3), 0.3),
        (init.xavier_normal_, math.sqrt(2 / (FAN_IN + FAN_OUT))),
        (init.kaiming_normal_, math.sqrt(2 / FAN_IN)),
        (
            lambda w: init.kaiming_normal_(w, 0.5, "fan_out"),
            math.sqrt(2 / 1.25 / FAN_OUT),
        ),
        (
            lambda w: init.kaiming_normal_(w, nonlinearity="linear"),
            1 / math.sqrt(FAN_IN),
        ),
    ],
)
def test_normal(fill, std):
    tw.manual_seed(0)
    weight = np.empty(SHAPE, np.float32)
    assert fill(weight) is weight
    assert abs(weight.mean()) < 0.01 * std
    assert abs(weight.std() / std - 1) < 0.01
    # The fourth moment of a normal distribution, 9/5 for a uniform one.
    assert abs(((weight / std) ** 4).mean() - 3) < 0.1


def test_constants_and_names():
    weight = nn.Parameter(np.empty((2, 2), np.float32))
    assert init.constant_(weight, 3) is weight and (weight.data == 3).all()
    assert not init.zeros_(weight).data.any() and init.ones_(weight).data.all()
    assert init.glorot_uniform_ is init.xavier_uniform_
    assert init.glorot_normal_ is init.xavier_normal_
    assert init.he_uniform_ is init.kaiming_uniform_
    assert init.he_normal_ is init.kaiming_normal_


@pytest.mark.parametrize(
    "make", [lambda: nn.Conv2d(4, 6, 3, groups=2), lambda: nn.Linear(18, 6)]
)
def test_layers_start_as_pytorchs(make):
    tw.manual_seed(0)
    layers = [make() for _ in range(400)]
    for array in (
        np.stack([layer.weight.data for layer in layers]),
        np.stack([layer.bias.data for layer in layers]),
    ):
        bound = 1 / math.sqrt(18)
        assert 0.99 * bound < np.abs(array).max() <= np.float32(bound)
        assert abs(array.std() / (bound / math.sqrt(3)) - 1) < 0.05


def test_the_seed_decides_in_both_precisions():
    def drawn(dtype):
        tw.manual_seed(5)
        return init.xavier_normal_(np.empty((4, 4), dtype))

    single, double = drawn(np.float32), drawn(np.float64)
    np.testing.assert_array_equal(single, double)
    assert (drawn(np.float64) == double).all()
    assert (init.xavier_normal_(np.empty((4, 4))) != double).any()


def test_a_graph_made_before_is_void():
    layer = nn.Linear(2, 2)
    loss = layer(tw.tensor([[1.0, 2.0]], requires_grad=True)).sum()
    init.zeros_(layer.weight)
    with pytest.raises(RuntimeError, match="modified in place"):
        loss.backward()


def test_gains():
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 1.0) == 1.0
    with pytest.raises(ValueError, match="nonlinearity must be one of .* got 'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(
        ValueError, match="mode must be one of 'fan_in', 'fan_out', got"
    ):
        init.kaiming_normal_(np.empty((2, 2)), mode="fan")
    with pytest.raises(ValueError, match="std must be at least 0, got -1"):
        init.normal_(np.empty(2), std=-1)
    with pytest.raises(ValueError, match="low must be at most high, got 1 and 0"):
        init.uniform_(np.empty(2), 1, 0)
