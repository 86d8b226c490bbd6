"""Callbacks beside Keras's own: the same decisions, files and histories."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from peer import BOTH, keras, ours, pair

rng = np.random.default_rng(0)
ROWS = rng.standard_normal((48, 5)).astype(np.float32)
KINDS = (ROWS[:, :3]).argmax(axis=1)
OTHERS = rng.integers(0, 3, 48)


def network(k):
    L = k.layers
    return k.Sequential(
        [k.Input((5,)), L.Dense(8, "tanh"), L.Dense(3, activation="softmax")]
    )


def trained(callbacks, epochs=12, rate=0.5, **options):
    """Both after `fit` with callbacks made for each; what each returned and holds."""
    found = []
    for k, model in zip(BOTH, pair(network), strict=True):
        model.compile(
            optimizer=k.optimizers.SGD(rate), loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )  # fmt: skip
        made = callbacks(k)
        # Validation on labels drawn at random: the loss gets worse before long.
        history = model.fit(
            ROWS, KINDS, epochs=epochs, shuffle=False, verbose=0, callbacks=made,
            **{"validation_data": (ROWS, OTHERS), **options},
        )  # fmt: skip
        found.append((model, history, made))
    return found


def assert_same(found):
    (theirs, a, _), (mine, b, _) = found
    assert b.epoch == a.epoch
    assert set(b.history) == set(a.history)
    for name, values in a.history.items():
        np.testing.assert_allclose(b.history[name], values, rtol=1e-3, atol=1e-5)
    for one, other in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


STOPS = {
    "default": {},
    "patience": {"patience": 3},
    "restored": {"patience": 3, "restore_best_weights": True},
    "restored at the end": {"patience": 50, "restore_best_weights": True},
    "late": {"patience": 1, "start_from_epoch": 5, "restore_best_weights": True},
    "delta": {"patience": 2, "min_delta": 0.05, "monitor": "loss"},
    "accuracy": {"patience": 2, "monitor": "val_accuracy", "mode": "max"},
    "baseline": {"patience": 3, "baseline": 0.1},
    "baseline reached": {"patience": 3, "baseline": 9.0, "restore_best_weights": True},
}


@pytest.mark.parametrize("name", STOPS)
def test_early_stopping(name):
    found = trained(lambda k: [k.callbacks.EarlyStopping(**STOPS[name])])
    assert_same(found)
    (theirs,), (mine,) = found[0][2], found[1][2]
    assert mine.stopped_epoch == theirs.stopped_epoch
    assert mine.best_epoch == theirs.best_epoch
    assert mine.best == pytest.approx(float(theirs.best), rel=1e-3)


def test_early_stopping_that_is_used_again():
    stops = {k: k.callbacks.EarlyStopping(patience=1) for k in BOTH}
    for _ in range(2):
        assert_same(trained(lambda k: [stops[k]]))


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"patience": 2, "factor": 0.5, "cooldown": 2},
        {"patience": 1, "min_lr": 0.2, "factor": 0.6},
        {"patience": 1, "min_delta": 0.5, "monitor": "loss"},
    ],
    ids=str,
)
def test_reduced_rates(options):
    found = trained(lambda k: [k.callbacks.ReduceLROnPlateau(**options)])
    assert_same(found)
    assert len(set(found[1][1].history["learning_rate"])) > 1


def test_rates_by_a_function():
    def schedule(epoch, rate):
        return float(rate) * 0.5 if epoch % 2 else float(rate)

    found = trained(lambda k: [k.callbacks.LearningRateScheduler(schedule)], 6)
    assert_same(found)


def test_table(tmp_path):
    tables = []
    for run in range(2):
        trained(
            lambda k, run=run: [
                k.callbacks.CSVLogger(
                    str(tmp_path / f"{k.__name__}.csv"), ";", append=run > 0
                )
            ],
            3,
        )
    for k in BOTH:
        with (tmp_path / f"{k.__name__}.csv").open() as file:
            tables.append(list(csv.DictReader(file, delimiter=";")))
    theirs, mine = tables
    assert len(mine) == len(theirs) == 6
    for a, b in zip(mine, theirs, strict=True):
        assert list(a) == list(b)
        assert {k: float(v) for k, v in a.items()} == pytest.approx(
            {k: float(v) for k, v in b.items()}, rel=1e-3
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"save_best_only": True},
        {"save_best_only": True, "initial_value_threshold": 0.5},
        {"save_freq": 4},
    ],
    ids=str,
)
def test_saved_models(options, tmp_path):
    pytest.importorskip("safetensors", reason="model files need safetensors")
    trained(
        lambda k: [
            k.callbacks.ModelCheckpoint(
                str(tmp_path / k.__name__ / "{epoch:02d}-{loss:.1f}.keras"), **options
            )
        ],
        8,
    )
    names = [
        sorted(p.name for p in (tmp_path / k.__name__).glob("*.keras")) for k in BOTH
    ]
    assert names[0] == names[1]
    assert bool(names[1]) != ("initial_value_threshold" in options)


def test_turns_are_called_in_the_same_order():
    def recorder(k, calls):
        class Recorder(k.callbacks.Callback):
            pass

        def turn(name):
            def record(self, *args, logs=None):
                assert self.params["epochs"] == 3 and self.params["steps"] == 3
                place = args[0] if args and isinstance(args[0], int) else None
                calls.append((name, place))
                if name == "on_train_batch_end" and len(calls) > 40:
                    self.model.stop_training = True

            return record

        for name in (
            "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end",
            "on_train_batch_begin", "on_train_batch_end", "on_test_begin",
            "on_test_end",
        ):  # fmt: skip
            setattr(Recorder, name, turn(name))
        return Recorder()

    calls = {k: [] for k in BOTH}
    found = trained(
        lambda k: [recorder(k, calls[k])], 3, batch_size=16, validation_freq=2
    )
    assert calls[ours] == calls[keras]
    assert_same(found)


def test_a_run_ended_within_an_epoch_is_validated():
    def ender(k):
        class Ender(k.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 1:
                    self.model.stop_training = True

        return [Ender()]

    found = trained(ender, 5, batch_size=8)
    assert_same(found)
    assert found[1][1].epoch == [0] and "val_loss" in found[1][1].history


def test_epochs_from_later_on_and_validation_of_some():
    found = trained(
        lambda k: [], 7, initial_epoch=2, validation_freq=[4, 5], batch_size=16
    )
    assert_same(found)
    assert len(found[1][1].history["val_loss"]) == 2


def test_a_number_that_is_not_there_is_warned_of():
    for k, model in zip(BOTH, pair(network), strict=True):
        model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
        stop = k.callbacks.EarlyStopping(patience=1)
        with pytest.warns(UserWarning, match="val_loss"):
            history = model.fit(ROWS, KINDS, epochs=3, verbose=0, callbacks=[stop])
        assert len(history.epoch) == 3


def test_nan_ends_training():
    rows = ROWS.copy()
    rows[20] = np.nan
    for k, model in zip(BOTH, pair(network), strict=True):
        model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
        end = k.callbacks.TerminateOnNaN()
        history = model.fit(
            rows, KINDS, epochs=5, batch_size=16, shuffle=False, verbose=0,
            callbacks=[end],
        )  # fmt: skip
        assert len(history.epoch) <= 1
        if k is ours:
            # Keras stops after the step: its weights are lost.
            assert all(np.isfinite(w).all() for w in model.get_weights())


def test_event_files(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    _, (_, history, _) = trained(
        lambda k: [] if k is keras else [k.callbacks.TensorBoard(tmp_path)], 3
    )
    for part, name in (("train", "loss"), ("validation", "val_loss")):
        events = EventAccumulator(str(tmp_path / part)).Reload()
        found = events.Tensors("epoch_loss")
        values = [tensor_util.make_ndarray(e.tensor_proto).item() for e in found]
        assert values == pytest.approx(history.history[name])
