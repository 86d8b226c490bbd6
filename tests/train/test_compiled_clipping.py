"""Limits on gradients within compiled steps: the bits of steps as they are."""

from __future__ import annotations

import numpy as np
import pytest
import toy

import tilewright as tw
from tilewright import nn, optim, train
from tilewright.kernels import dispatch
from tilewright.nn import functional as F

pytestmark = pytest.mark.skipif(
    dispatch.unavailable_reason("cpu") is not None,
    reason="the compiled extension is not here",
)
LIMITS = [
    {"clip_norm": 0.05},
    {"clip_value": 0.01},
    {"clip_norm": 0.02, "clip_value": 0.01},
]
X = np.random.default_rng(0).standard_normal((16, 6), np.float32)
Y = (X[:, :3] > 0).argmax(1)


def made():
    tw.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 3))
    return model, optim.Adam(model.parameters(), lr=0.01)


def bits(model):
    arrays = [each.data for each in model.parameters()]
    arrays += [each.grad.data for each in model.parameters()]
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize("limits", LIMITS)
def test_same_bits_as_a_loop(limits):
    model, optimizer = made()
    step = tw.compile_step(model, "cross_entropy", optimizer, **limits)
    states = []
    for _ in range(8):
        step(X, Y)
        states.append(bits(model))
    assert step.reason is None

    model, optimizer = made()
    for expected in states:
        loss = F.cross_entropy(model(X), Y)
        optimizer.zero_grad()
        loss.backward()
        if "clip_value" in limits:
            optim.clip_grad_value_(model.parameters(), limits["clip_value"])
        before = bits(model)
        if "clip_norm" in limits:
            norm = optim.clip_grad_norm_(model.parameters(), limits["clip_norm"])
            assert norm > limits["clip_norm"] and bits(model) != before
        optimizer.step()
        assert bits(model) == expected


def test_profile_names_the_limits():
    model, optimizer = made()
    step = tw.compile_step(model, "cross_entropy", optimizer, clip_norm=1, clip_value=1)
    for _ in range(3):
        step(X, Y)
    kernels = [time.kernel for time in step.profile(X, Y)]
    assert kernels[-3:] == ["clip_by_value", "clip_by_norm", "adam_step"]


def test_a_replay_clips_nothing_by_a_norm_that_is_not_finite():
    def run(compiled):
        model, optimizer = made()
        step = tw.compile_step(model, "cross_entropy", optimizer, clip_norm=0.05)
        x = X.copy()
        for _ in range(5):
            (step if compiled else step.eager)(x, Y)
        x[0, 0] = np.inf
        (step if compiled else step.eager)(x, Y)
        return bits(model), step.reason

    got, reason = run(True)
    assert reason is None
    assert got == run(False)[0]


def test_new_limits_are_recorded_anew():
    model, optimizer = made()
    step = tw.compile_step(model, "cross_entropy", optimizer, clip_value=0.01)
    for _ in range(4):
        step(X, Y)
    assert step.reason is None
    step.clippings = (optim.Clipping(value=1e-4),)
    for _ in range(4):
        step(X, Y)
        most = max(abs(each.grad.data).max() for each in model.parameters())
        assert most == np.float32(1e-4)
    assert step.reason is None
    step.clippings = ()
    step(X, Y)
    assert max(abs(each.grad.data).max() for each in model.parameters()) > 1e-4


def test_bad_limits():
    model, optimizer = made()
    with pytest.raises(ValueError, match="^compile_step: clip_norm must be"):
        tw.compile_step(model, "cross_entropy", optimizer, clip_norm=-1.0)
    with pytest.raises(TypeError, match="^compile_step: clip_value must be"):
        tw.compile_step(model, "cross_entropy", optimizer, clip_value="1")


class Looking(train.Callback):
    """Any code between gradients and step: no replay, and the same bits."""

    def on_gradients(self, run):
        return None


@pytest.mark.parametrize(
    "callbacks",
    [
        lambda: [train.GradientClipping(norm=0.05)],
        lambda: [train.GradientClipping(norm=0.02, value=0.01)],
        lambda: [train.GradientClipping(0.01, each=True), train.GradientClipping(0.02)],
    ],
)
def test_a_trainer_replays_limits(callbacks):
    def fit(*others):
        model, optimizer = made()
        trainer = tw.Trainer(model, optimizer)
        history = trainer.fit(
            (X.repeat(8, 0), Y.repeat(8)),
            epochs=2,
            batch_size=16,
            verbose=False,
            callbacks=[*callbacks(), *others],
        )
        return history.history, toy.weights(trainer), trainer._step.reason

    history, weights, reason = fit()
    assert reason is None
    stepped, same, _ = fit(Looking())
    assert (history, weights) == (stepped, same)
    model, optimizer = made()
    unlimited = tw.Trainer(model, optimizer)
    unlimited.fit((X.repeat(8, 0), Y.repeat(8)), 2, 16, verbose=False)
    assert toy.weights(unlimited) != weights


def test_a_trainer_forgets_the_limits_of_an_earlier_run():
    model, optimizer = made()
    trainer = tw.Trainer(model, optimizer)
    limits = [train.GradientClipping(value=1e-5)]
    trainer.fit((X, Y), 5, 16, verbose=False, callbacks=limits)
    assert max(abs(each.grad.data).max() for each in model.parameters()) < 1e-4
    trainer.fit((X, Y), 1, 16, verbose=False)
    assert max(abs(each.grad.data).max() for each in model.parameters()) > 1e-4
