"""Compiled steps of models with arithmetic between their layers."""

from __future__ import annotations

import numpy as np
import pytest
import toy

import tilewright as tw
from tilewright import autograd, nn, optim
from tilewright.autograd import Tensor
from tilewright.kernels import dispatch
from tilewright.nn import functional as F

pytestmark = pytest.mark.skipif(
    dispatch.unavailable_reason("cpu") is not None,
    reason="the compiled extension is not here",
)

STEPS = 20


def convolution(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, padding=1, stride=stride)


class Residual(nn.Module):
    """Two blocks of a ResNet, one of them with a projection; mean over pixels."""

    def __init__(self):
        self.stem = convolution(1, 8)
        self.first = nn.Sequential(convolution(8, 8), nn.ReLU(), convolution(8, 8))
        self.second = nn.Sequential(
            convolution(8, 16, stride=2), nn.ReLU(), convolution(16, 16)
        )
        self.projection = nn.Conv2d(8, 16, 1, stride=2)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = nn.functional.relu(self.stem(x))
        x = nn.functional.relu(x + self.first(x))
        x = nn.functional.relu(self.projection(x) + self.second(x))
        return self.head(x.mean(axis=(1, 2)))


class Skip(nn.Module):
    """Channels joined across a detour, as in a U-Net or a DenseNet."""

    def __init__(self):
        self.first = convolution(1, 6)
        self.second = convolution(6, 5)
        self.head = nn.Linear(11 * 64, 4)

    def forward(self, x):
        x = nn.functional.relu(self.first(x))
        detour = nn.functional.relu(self.second(x))
        return self.head(autograd.concatenate([x, detour], axis=-1).flatten(1))


class Twice(nn.Module):
    """A layer that is used twice, and a sum in place."""

    def __init__(self):
        self.shared = nn.Linear(64, 64)
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        x = x.reshape(len(x), 64) if isinstance(x, Tensor) else x.reshape(-1, 64)
        hidden = nn.functional.tanh(self.shared(x))
        again = self.shared(hidden)
        again += hidden
        return self.head(again)


class Scaled(nn.Module):
    """Numbers, rows and columns that broadcast; a difference; a quotient."""

    def __init__(self):
        self.hidden = nn.Linear(64, 24)
        self.scale = nn.Parameter(np.linspace(0.5, 1.5, 24, dtype=np.float32))
        self.gate = nn.Linear(64, 1)
        self.shift = nn.Parameter(np.zeros((), np.float32))
        self.head = nn.Linear(24, 4)

    def forward(self, x):
        x = nn.functional.flatten(x, 1)
        hidden = self.hidden(x) * self.scale - self.shift
        gate = nn.functional.sigmoid(self.gate(x))
        hidden = hidden * gate / 0.5
        return 2.0 - self.head(hidden) / (1.0 + gate)


class Turned(nn.Module):
    """Axes exchanged between layers, as where tokens are mixed."""

    def __init__(self):
        self.across = nn.Linear(8, 8)
        self.along = nn.Linear(8, 6)
        self.head = nn.Linear(48, 4)

    def forward(self, x):
        x = nn.functional.relu(self.across(x.reshape(-1, 8, 8)))
        x = nn.functional.relu(self.along(x.transpose(1, 2)))
        x = autograd.stack([x, -x], axis=1).sum(axis=1) + x
        return self.head(x.transpose(1, 2).flatten(1))


def half_and_size(outputs, targets):
    """A loss of two parts, of which the gradient is not 1."""
    loss = nn.functional.cross_entropy(outputs, targets)
    return loss * 0.5 + (outputs * outputs).mean() * 0.01


CASES = {
    "residual": (Residual, "cross_entropy"),
    "skip": (Skip, "cross_entropy"),
    "twice": (Twice, "cross_entropy"),
    "scaled": (Scaled, "cross_entropy"),
    "turned": (Turned, "cross_entropy"),
    "loss of parts": (Residual, half_and_size),
}


def train(make, loss, compiled):
    tw.manual_seed(0)
    model = make()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    step = tw.compile_step(model, loss, optimizer)
    images = toy.images(16 * STEPS)
    losses, reasons = [], []
    for begin in range(0, len(images), 16):
        x, y = images[begin : begin + 16]
        losses.append((step if compiled else step.eager)(x, y).item())
        reasons.append(step.reason)
    weights = {name: array.tobytes() for name, array in model.state_dict().items()}
    return losses, weights, reasons


@pytest.mark.parametrize("name", CASES)
def test_same_bits_as_eager_steps(name):
    losses, weights, reasons = train(*CASES[name], compiled=True)
    assert reasons[3:] == [None] * (STEPS - 3), reasons
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    assert (losses, weights) == train(*CASES[name], compiled=False)[:2]


def test_regression():
    """Targets of floats, and the mean of squares as the loss."""

    def run(compiled):
        tw.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.05)
        step = tw.compile_step(model, "mse_loss", optimizer)
        rng = np.random.default_rng(0)
        losses = []
        x = rng.standard_normal((8, 3), np.float32)
        for _ in range(STEPS):
            y = np.stack([x.sum(1), x[:, 0] * x[:, 1]], axis=1)
            losses.append((step if compiled else step.eager)(x, y).item())
        return losses, model.state_dict(), step.reason

    losses, weights, reason = run(True)
    assert reason is None and losses[-1] < losses[0]
    others, same, _ = run(False)
    assert losses == others
    assert all(weights[k].tobytes() == same[k].tobytes() for k in weights)


@pytest.mark.parametrize(
    "loss",
    [
        "l1_loss",
        "huber_loss",
        "binary_cross_entropy_with_logits",
        lambda x, y: F.binary_cross_entropy(x.sigmoid(), y),
        lambda x, y: (F.huber_loss(x, y, "none", 0.2) * tw.Tensor(y)).sum(),
        lambda x, y: F.mse_loss(tw.Tensor(y) * 0.1, x),
        # The gradient of what is aimed at.
        lambda x, y: F.binary_cross_entropy_with_logits(x, F.sigmoid(x)),
        lambda x, y: F.binary_cross_entropy(F.sigmoid(x), F.tanh(x), "sum"),
    ],
)
def test_losses_of_elements(loss):
    def run(compiled):
        tw.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
        optimizer = optim.SGD(model.parameters(), lr=0.05)
        step = tw.compile_step(model, loss, optimizer)
        x = np.random.default_rng(0).standard_normal((8, 3), np.float32)
        y = (x[:, :2] > 0).astype(np.float32)
        losses = [(step if compiled else step.eager)(x, y).item() for _ in range(STEPS)]
        return losses, model.state_dict(), step.reason

    losses, weights, reason = run(True)
    assert reason is None and losses[-1] < losses[0]
    others, same, _ = run(False)
    assert losses == others
    assert all(weights[k].tobytes() == same[k].tobytes() for k in weights)


def test_a_replay_refuses_what_are_no_probabilities():
    """And has not moved the weights, as a step has not."""
    model = nn.Linear(3, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.001)
    step = tw.compile_step(model, "binary_cross_entropy", optimizer)
    model.weight.data[...] = 0.1
    model.bias.data[...] = 0.5
    x, y = np.ones((4, 3), np.float32), np.ones((4, 1), np.float32)
    for _ in range(5):
        step(x, y)
    assert step.reason is None
    before = [parameter.data.copy() for parameter in model.parameters()]
    x[2] = 50
    with pytest.raises(ValueError) as refused:
        step.eager(x, y)
    with pytest.raises(ValueError) as replayed:
        step(x, y)
    assert str(replayed.value) == str(refused.value)
    assert "x must be probabilities in [0, 1], got values in [0.8" in str(
        replayed.value
    )
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert parameter.data.tobytes() == old.tobytes()
    x[2] = 1
    step(x, y)
    assert step.reason is None


def test_a_target_of_another_dtype_is_named():
    step = tw.compile_step(
        model := nn.Linear(3, 1), "mse_loss", optim.SGD(model.parameters(), lr=0.05)
    )
    for _ in range(3):
        step(np.ones((4, 3), np.float32), np.ones((4, 1), np.int64))
    assert step.reason == "a target of int64 for float32 is not one of the kernels"


class InputChanged(nn.Module):
    """Adds to its input in place, which a replay must not do a second time."""

    def __init__(self):
        self.offset = nn.Parameter(np.zeros(64, np.float32))
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        x = Tensor(x).reshape(-1, 64) if not isinstance(x, Tensor) else x
        x += self.offset
        return self.head(x)


def test_changes_of_an_input_in_place_are_run():
    _, _, reasons = train(InputChanged, "cross_entropy", compiled=True)
    assert reasons[-1] == "add in place is not one of the kernels"


class Chosen(nn.Module):
    """A constant that no kernel made: it might be another one at each step."""

    def __init__(self):
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        noise = np.full(64, 0.5, np.float32)
        return self.head(nn.functional.flatten(x, 1) * noise)


def test_arrays_of_unknown_origin_are_run():
    _, _, reasons = train(Chosen, "cross_entropy", compiled=True)
    assert reasons[-1] == "a kernel reads an array that no kernel made"


def test_threads_do_not_change_the_bits():
    alone = tw.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            tw.set_num_threads(threads)
            results.append(train(Residual, "cross_entropy", compiled=True)[:2])
    finally:
        tw.set_num_threads(alone)
    assert results[0] == results[1] == results[2]
