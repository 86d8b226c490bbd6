"""Models of several inputs and losses of several targets, by our own trainer."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import data, nn, optim, train
from tilewright.kernels import dispatch
from tilewright.nn import functional

rng = np.random.default_rng(0)
A = rng.standard_normal((48, 4)).astype(np.float32)
B = rng.standard_normal((48, 3)).astype(np.float32)
KINDS = rng.integers(0, 3, 48)
NUMBERS = rng.standard_normal((48, 2)).astype(np.float32)


class Two(nn.Module):
    """Two inputs, two outputs."""

    def __init__(self):
        self.a, self.b = nn.Linear(4, 6), nn.Linear(3, 6)
        self.kind, self.number = nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x):
        a, b = x
        h = functional.relu(self.a(a) + self.b(b))
        return self.kind(h), self.number(h)


def loss(outputs, targets):
    one = functional.cross_entropy(outputs[0], targets[0])
    other = functional.mse_loss(outputs[1], targets[1])
    return one + other * 0.5, one, other


class Part:
    """Mean of what the loss adds to the outputs."""

    def __init__(self, name, place):
        self.__name__, self.place = name, place

    def __call__(self, outputs, targets):
        return float(outputs[self.place])


def batches(size=16):
    for start in range(0, 48, size):
        rows = slice(start, start + size)
        yield (A[rows], B[rows]), (KINDS[rows], NUMBERS[rows])


def trainer():
    tw.manual_seed(0)
    model = Two()
    metrics = [Part("kind_loss", 2), Part("number_loss", 3)]
    return train.Trainer(model, optim.Adam(model.parameters()), loss, metrics)


def test_fit_and_evaluate():
    made = trainer()
    stream = data.BatchStream(list(batches()))
    history = made.fit(
        stream, 4, validation_data=stream, verbose=False, validation_freq=2
    ).history
    assert np.isnan(history["val_loss"]).tolist() == [True, False, True, False]
    sums = np.add(history["kind_loss"], 0.5 * np.array(history["number_loss"]))
    np.testing.assert_allclose(history["loss"], sums, rtol=1e-6)
    assert history["loss"][-1] < history["loss"][0]
    scores = made.evaluate(stream)
    assert scores["loss"] == pytest.approx(history["val_loss"][-1])
    one = made.evaluate_batch((A, B), (KINDS, NUMBERS))
    assert one["loss"] == pytest.approx(scores["loss"], rel=1e-5)


@pytest.mark.skipif(
    dispatch.unavailable_reason("cpu") is not None,
    reason="steps are replayed by the C++ extension alone",
)
def test_replayed_with_the_same_bits():
    tw.manual_seed(0)
    replayed, stepped = Two(), Two()
    stepped.load_state_dict(replayed.state_dict())
    step = tw.compile_step(replayed, loss, optim.Adam(replayed.parameters()))
    other = tw.compile_step(stepped, loss, optim.Adam(stepped.parameters()))
    for _ in range(4):
        for x, y in batches():
            assert step(x, y).item() == other.eager(x, y).item()
            assert len(step.outputs) == 4
            for a, b in zip(step.outputs, other.outputs, strict=True):
                assert a.tobytes() == b.tobytes()
    assert step.reason is None
    for a, b in zip(replayed.parameters(), stepped.parameters(), strict=True):
        assert a.data.tobytes() == b.data.tobytes()
    # Other shapes are another step.
    step((A[:5], B[:5]), (KINDS[:5], NUMBERS[:5]))
    assert "first step" in step.reason


def test_callbacks_see_tuples():
    made = trainer()
    callbacks = [
        train.GradientAccumulation(2), train.StopOnNaN(),
        train.EarlyStopping("val_loss", patience=1),
    ]  # fmt: skip
    stream = data.BatchStream(list(batches()))
    history = made.fit(
        stream, 6, validation_data=stream, validation_freq=3, verbose=False,
        callbacks=callbacks,
    )  # fmt: skip
    assert history.epochs == 6
    A[3, 0] = np.nan
    try:
        stopped = made.fit(data.BatchStream(batches()), callbacks=callbacks[1:2])
    finally:
        A[3, 0] = 0
    assert "the input is not finite" in stopped.stopped


def test_epochs_before_the_run_are_counted(capsys):
    made = trainer()
    history = made.fit(data.BatchStream(list(batches())), 5, initial_epoch=3)
    assert history.epochs == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 4/5", "epoch 5/5"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"initial_epoch": 1}, r"initial_epoch must be in \[0, epochs=1\), got 1"),
        ({"initial_epoch": -1}, "got -1"),
        ({"validation_freq": 0}, "validation_freq must be >= 1, got 0"),
    ],
)
def test_mistakes_are_told(options, text):
    with pytest.raises(ValueError, match=text):
        trainer().fit(data.BatchStream(list(batches())), **options)
