"""Callbacks: their turns, and what each of them does."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import toy

import tilewright as tw
from tilewright import nn, optim, train
from tilewright.optim import lr_scheduler


def fit(trainer, epochs=3, callbacks=(), images=None, **options):
    options.setdefault("batch_size", 16)
    return trainer.fit(
        toy.images() if images is None else images,
        epochs,
        callbacks=callbacks,
        verbose=False,
        **options,
    )


def fitted(epochs, callbacks=(), *rest, **options):
    """A trainer whose random numbers are those of any other."""
    trainer = toy.trainer()
    fit(trainer, epochs, callbacks, *rest, **options)
    return trainer


class Recorder(train.Callback):
    def __init__(self):
        self.turns = []

    def on_fit_begin(self, run):
        self.turns.append("fit")

    def on_epoch_begin(self, run):
        self.turns.append("epoch")

    def on_gradients(self, run):
        assert all(p.grad is not None for p in run.model.parameters())
        self.turns.append("gradients")

    def on_batch_end(self, run):
        self.turns.append(("batch", run.batch, run.batches, np.isfinite(run.loss)))

    def on_validation_begin(self, run):
        self.turns.append("validation")

    def on_epoch_end(self, run, values):
        assert run.history.history["loss"][-1] == values["loss"]
        self.turns.append("epoch end")

    def on_fit_end(self, run):
        self.turns.append("end")


def test_turns_in_their_order():
    recorder = Recorder()
    fit(toy.trainer(), 2, [recorder], toy.images(32), validation_data=toy.images(8))
    epoch = [
        "epoch", "gradients", ("batch", 1, 2, True), "gradients", ("batch", 2, 2, True),
        "validation", "epoch end",
    ]  # fmt: skip
    assert recorder.turns == ["fit", *epoch, *epoch, "end"]


def test_looking_at_gradients_changes_no_bit_and_others_leave_replays_alone():
    plain = fitted(3)

    class Count(train.Callback):
        batches = 0

        def on_batch_end(self, run):
            self.batches += 1

    count = Count()
    counted, watched = fitted(3, [count]), fitted(3, [Recorder()])
    assert count.batches == 18
    assert toy.weights(plain) == toy.weights(watched) == toy.weights(counted)
    # The others' steps are still replayed, where that is possible at all.
    assert counted._step.reason == plain._step.reason


def test_the_end_comes_after_an_exception_too():
    class Fails(train.Callback):
        def on_epoch_end(self, run, values):
            raise RuntimeError("enough")

    recorder = Recorder()
    with pytest.raises(RuntimeError, match="enough"):
        fit(toy.trainer(), 3, [recorder, Fails()])
    assert recorder.turns[-1] == "end"


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match="callbacks must be Callbacks, got int"):
        fit(toy.trainer(), 1, [3])
    with pytest.raises(TypeError, match=r"got StopOnNaN; write it with \(\)"):
        fit(toy.trainer(), 1, [train.StopOnNaN])
    fit(toy.trainer(), 1, train.StopOnNaN())


# Early stopping.


def scripted(values, **options):
    """A run whose validation loss is given."""
    script = iter(values)

    def metric(outputs, targets):
        return next(script)

    base = toy.trainer()
    trainer = tw.Trainer(base.model, base.optimizer, metrics=[metric])
    seen = []

    class Keep(train.Callback):
        def on_epoch_end(self, run, values):
            seen.append(toy.weights(trainer))

    stopping = train.EarlyStopping("metric", **options)
    history = fit(trainer, len(values), [Keep(), stopping], batch_size=96)
    return trainer, history, seen, stopping


def test_early_stopping_waits_and_goes_back():
    values = [3.0, 2.0, 2.5, 2.4, 2.3, 1.0]
    trainer, history, seen, stopping = scripted(values, patience=3)
    assert history.epochs == 5 and stopping.best_epoch == 2
    assert toy.weights(trainer) == seen[1] != seen[-1]
    assert history.stopped == "metric has not improved on 2 since epoch 2"
    trainer, history, seen, _ = scripted(values, patience=4)
    assert history.epochs == 6 and history.stopped is None
    assert toy.weights(trainer) == seen[5]


def test_early_stopping_options():
    values = [1.0, 2.0, 3.0, 3.05, 3.06]
    _, history, _, stopping = scripted(values, mode="max", min_delta=0.1)
    assert history.epochs == 4 and stopping.best_epoch == 3
    trainer, history, seen, _ = scripted(
        [1.0, 2.0, 3.0], restore_best_weights=False, start_from_epoch=1
    )
    assert history.epochs == 3 and toy.weights(trainer) == seen[-1]
    _, history, _, _ = scripted([1.0, float("nan"), 0.5], patience=1)
    assert history.epochs == 2
    with pytest.raises(ValueError, match="'val_loss' is not among .*; give fit valida"):
        fit(toy.trainer(), 1, [train.EarlyStopping()])
    with pytest.raises(ValueError, match="EarlyStopping: mode must be one of 'auto'"):
        train.EarlyStopping(mode="best")


# Learning rates.


def test_schedules_by_epoch_and_by_batch():
    rates = []

    class Rates(train.Callback):
        def on_batch_end(self, run):
            rates.append(run.optimizer.lr)

    trainer = toy.trainer(lr=1.0)
    halve = lr_scheduler.ExponentialLR(trainer.optimizer, 0.5)
    fit(trainer, 3, [Rates(), train.LearningRateSchedule(halve)], batch_size=48)
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    rates.clear()
    trainer = toy.trainer(lr=1.0)
    halve = lr_scheduler.ExponentialLR(trainer.optimizer, 0.5)
    schedule = train.LearningRateSchedule(halve, every="batch")
    fit(trainer, 2, [Rates(), schedule], batch_size=48)
    assert rates == [1.0, 0.5, 0.25, 0.125]


def test_plateau_goes_by_the_number_it_is_told():
    trainer = toy.trainer(lr=0.0)
    plateau = lr_scheduler.ReduceLROnPlateau(
        trainer.optimizer, patience=1, factor=0.5, eps=0.0
    )
    trainer.optimizer.lr = 1e-20
    plateau.rates = [1e-20]
    schedule = train.LearningRateSchedule(plateau, monitor="loss")
    fit(trainer, 5, [schedule], batch_size=96, shuffle=False)
    assert trainer.optimizer.lr == 1e-20 / 4


def test_schedules_that_do_not_fit():
    with pytest.raises(TypeError, match="schedule must be an LRScheduler .* got float"):
        train.LearningRateSchedule(0.1)
    other = lr_scheduler.StepLR(toy.trainer().optimizer, 3)
    with pytest.raises(ValueError, match="the schedule is of another optimizer"):
        fit(toy.trainer(), 1, [train.LearningRateSchedule(other)])
    plateau = lr_scheduler.ReduceLROnPlateau(toy.trainer().optimizer)
    with pytest.raises(ValueError, match="goes by epochs, not batches"):
        train.LearningRateSchedule(plateau, every="batch")


# Gradients.


@pytest.mark.parametrize(("batches", "size"), [(4, 8), (3, 8), (5, 40)])
def test_accumulated_steps_are_those_of_large_batches(batches, size):
    images = toy.images(100)
    large = fitted(2, [], images, batch_size=batches * size)
    accumulate = train.GradientAccumulation(batches)
    small = fitted(2, [accumulate], images, batch_size=size)
    state = small.optimizer.state_dict()["state"][0]
    assert state["step"] == large.optimizer.state_dict()["state"][0]["step"]
    for name, array in large.model.state_dict().items():
        np.testing.assert_allclose(
            small.model.state_dict()[name], array, rtol=2e-3, atol=2e-4
        )


def test_callbacks_after_accumulation_see_whole_steps():
    recorder = Recorder()
    callbacks = [recorder, train.GradientAccumulation(3)]
    fit(toy.trainer(), 1, callbacks, toy.images(64), batch_size=8)
    assert recorder.turns.count("gradients") == 3


def test_clipping():
    norms = []

    class Norms(train.Callback):
        priority = 1

        def on_gradients(self, run):
            grads = [p.grad.data for p in run.model.parameters()]
            norms.append(np.sqrt(sum(float((g**2).sum()) for g in grads)))
            assert max(np.abs(g).max() for g in grads) <= 0.05

    fit(toy.trainer(), 1, [Norms(), train.GradientClipping(0.1, 0.05)])
    assert max(norms) <= 0.1 * (1 + 1e-5) and len(norms) == 6
    with pytest.raises(ValueError, match="norm or value must be given"):
        train.GradientClipping()


def test_full_batch_gradient_descent():
    images = toy.images(40)
    tw.manual_seed(0)
    model = toy.network()
    trainer = tw.Trainer(model, optim.SGD(model.parameters(), lr=0.3))
    history = fit(trainer, 15, images=images, batch_size=len(images))
    assert all(np.diff(history.history["loss"]) < 0)
    assert trainer.optimizer.state_dict()["state"][0]["step"] == 15


# Averages.


def test_moving_average_is_validated_and_left_in_the_model():
    images = toy.images(48)
    trainer = toy.trainer()
    weights, expected = [], [p.data.copy() for p in trainer.model.parameters()]

    class Keep(train.Callback):
        def on_batch_end(self, run):
            weights.append([p.data.copy() for p in run.model.parameters()])

    history = fit(
        trainer, 2, [Keep(), train.MovingAverage(0.9)], images, validation_data=images
    )
    plain = fitted(2, [], images, validation_data=images)
    assert history.history["loss"] == plain.history.history["loss"]
    assert history.history["val_loss"] != plain.history.history["val_loss"]
    for step in weights:
        expected = [0.9 * e + 0.1 * w for e, w in zip(expected, step, strict=True)]
    for parameter, average in zip(trainer.model.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.data, average, rtol=1e-5, atol=1e-6)
    assert trainer.evaluate(images)["loss"] == history.history["val_loss"][-1]


def test_early_stopping_keeps_averages():
    images = toy.images(48)
    trainer = toy.trainer(lr=0.5)
    callbacks = [train.EarlyStopping(patience=2), train.MovingAverage(0.5)]
    history = fit(trainer, 30, callbacks, images, validation_data=images)
    best = min(history.history["val_loss"])
    assert trainer.evaluate(images)["loss"] == best


# Not a number.


def poisoned(where):
    tw.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(144, 4),
    )  # fmt: skip
    images = toy.images(64)
    if where == "weight":
        model[5].weight.data[0, 0] = np.nan
    elif where == "overflow":
        model[0].weight.data[...] = 3e38
    elif where == "input":
        images.x[40] = np.inf
    return tw.Trainer(model, optim.SGD(model.parameters(), lr=0.1)), images


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (
            "weight",
            r"loss is nan in batch 1 of epoch 1: weight of layer '5' \(Linear\)",
        ),
        ("overflow", r"output of layer '0' \(Conv2d\) is the first that is not finite"),
        ("input", "in batch 3 of epoch 1: the input is not finite"),
    ],
)
def test_stop_on_nan_names_the_first_bad_layer(where, text, capsys):
    trainer, images = poisoned(where)
    before = {n: a.copy() for n, a in trainer.model.state_dict().items()}
    history = trainer.fit(
        images, 3, 16, shuffle=False, callbacks=[train.StopOnNaN()], verbose=True
    )
    assert history.epochs == 0
    assert re.search(text, history.stopped), history.stopped
    assert f"stopped: {history.stopped}" in capsys.readouterr().out
    if where == "weight":
        after = trainer.model.state_dict()
        np.testing.assert_array_equal(after["0.weight"], before["0.weight"])


def test_stop_on_nan_names_a_bad_gradient():
    base = toy.trainer()

    def loss(outputs, targets):
        # Its gradient at 0 is infinite, its value is not.
        return nn.functional.cross_entropy(outputs, targets) + (
            (outputs - outputs.detach()).abs().sqrt().sum()
        )

    trainer = tw.Trainer(base.model, base.optimizer, loss)
    before = toy.weights(trainer)
    history = fit(trainer, 1, [train.StopOnNaN()])
    assert history.stopped == (
        "a gradient is not finite in batch 1 of epoch 1: that of 5.bias, first on the "
        "way back"
    )
    assert toy.weights(trainer) == before


def test_a_healthy_run_goes_on():
    one, other = fitted(2, [train.StopOnNaN()]), fitted(2)
    assert one.history.stopped is None
    assert toy.weights(one) == toy.weights(other)


# Logs.


def test_csv_and_json_lines(tmp_path):
    trainer = toy.trainer(lr=0.5)
    halve = lr_scheduler.ExponentialLR(trainer.optimizer, 0.5)
    callbacks = [
        train.CSVLog(tmp_path / "deep" / "log.csv"),
        train.JSONLog(tmp_path / "log.jsonl"),
        train.LearningRateSchedule(halve),
    ]
    history = fit(trainer, 3, callbacks, validation_data=toy.images(8))
    with (tmp_path / "deep" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(s) for s in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert list(rows[0]) == [
        "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"
    ]  # fmt: skip
    assert [float(row["lr"]) for row in rows] == [0.5, 0.25, 0.125]
    for row, line, epoch in zip(rows, lines, range(3), strict=True):
        assert int(row["epoch"]) == line["epoch"] == epoch + 1
        for name, column in history.history.items():
            assert float(row[name]) == line[name] == column[epoch]


def test_json_has_no_nan(tmp_path):
    def nothing(outputs, targets):
        return float("nan")

    base = toy.trainer()
    trainer = tw.Trainer(base.model, base.optimizer, metrics=[nothing])
    fit(trainer, 1, [train.JSONLog(tmp_path / "log")])
    assert json.loads((tmp_path / "log").read_text())["nothing"] is None


def test_tensorboard_reads_what_is_written(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.util import tensor_util

    board = train.TensorBoard(tmp_path, every_batches=2)
    history = fit(toy.trainer(), 3, [board], validation_data=toy.images(8))
    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    assert set(events.Runs()) == {"train", "validation"}

    def series(run, tag):
        found = events.Tensors(run, tag)
        values = [tensor_util.make_ndarray(e.tensor_proto).item() for e in found]
        return [e.step for e in found], [np.float32(value) for value in values]

    for run, tag, name in (
        ("train", "epoch_loss", "loss"),
        ("validation", "epoch_accuracy", "val_accuracy"),
    ):
        steps, values = series(run, tag)
        assert steps == [1, 2, 3]
        assert values == [np.float32(v) for v in history.history[name]]
    assert series("train", "learning_rate")[1] == [np.float32(0.02)] * 3
    assert series("train", "batch_loss")[0] == list(range(2, 19, 2))
    with pytest.raises(ValueError, match="every_batches must be at least 1, got 0"):
        train.TensorBoard(tmp_path, every_batches=0)
