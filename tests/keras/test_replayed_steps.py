"""Keras models by replayed steps and by steps as they are: the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import keras
from tilewright.keras import layers, losses, optimizers, regularizers
from tilewright.kernels import dispatch

needs_kernels = pytest.mark.skipif(
    dispatch.unavailable_reason("cpu") is not None,
    reason="steps are replayed by the C++ extension alone",
)
rng = np.random.default_rng(0)
ROWS = rng.standard_normal((96, 6)).astype(np.float32)
KINDS = rng.integers(0, 3, 96)
NUMBERS = rng.standard_normal((96, 3)).astype(np.float32)
YES = (NUMBERS > 0).astype(np.float32)
WEIGHTS = rng.random(96, np.float32)


def dense(width=3, activation="softmax", **options):
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="tanh", **options),
            layers.Dense(width, activation=activation),
        ]
    )


def forked():
    inputs = keras.Input((6,))
    shared = layers.Dense(6, activation="relu")
    x = layers.Add()([shared(inputs), shared(inputs * 0.5)])
    kind = layers.Dense(3, activation="softmax")(layers.Concatenate()([x, inputs]))
    return keras.Model(inputs, [kind, layers.Dense(3)(x)])


def twice_the_same():
    inputs = keras.Input((6,))
    hidden = layers.Dense(3)(inputs)
    views = [hidden, layers.Reshape((3, 1))(hidden), hidden]
    return keras.Model(inputs, views)


class Replayed:
    """One way to train, and whether its steps are replayed."""

    def __init__(self, replayed, make=dense, y=KINDS, fit=None, **compiled):
        self.replayed, self.make, self.y = replayed, make, y
        self.fit = fit or {}
        self.compiled = {
            "optimizer": lambda: "sgd",
            "loss": lambda: "sparse_categorical_crossentropy",
            **{n: v if callable(v) else lambda v=v: v for n, v in compiled.items()},
        }


CASES = {
    "adam": Replayed(True, optimizer="adam"),
    "adamw": Replayed(True, optimizer="adamw"),
    "momentum": Replayed(True, optimizer=lambda: optimizers.SGD(0.1, 0.9)),
    "nesterov": Replayed(
        True, optimizer=lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True)
    ),
    "schedule": Replayed(
        True,
        optimizer=lambda: optimizers.Adam(
            optimizers.schedules.ExponentialDecay(0.01, 3, 0.9)
        ),
    ),
    "rmsprop": Replayed(True, optimizer="rmsprop"),
    "adagrad": Replayed(True, optimizer="adagrad"),
    "clipping each": Replayed(
        True, optimizer=lambda: optimizers.SGD(0.1, clipnorm=0.1)
    ),
    "clipping": Replayed(
        True, optimizer=lambda: optimizers.Adam(clipvalue=0.01, global_clipnorm=0.02)
    ),
    "metrics": Replayed(True, metrics=["accuracy", "auc"]),
    "class weights": Replayed(True, fit={"class_weight": {0: 0.3, 2: 4.0}}),
    "sample weights": Replayed(
        True, fit={"sample_weight": WEIGHTS}, weighted_metrics=["accuracy"]
    ),
    "logits": Replayed(
        True,
        make=lambda: dense(activation=None),
        loss=lambda: losses.SparseCategoricalCrossentropy(from_logits=True),
    ),
    "categorical": Replayed(
        True,
        y=np.eye(3, dtype=np.float32)[KINDS],
        loss=lambda: losses.CategoricalCrossentropy(label_smoothing=0.1),
    ),
    "mse": Replayed(
        True, make=lambda: dense(activation=None), y=NUMBERS, loss="mse",
        fit={"sample_weight": WEIGHTS},
    ),
    "sum": Replayed(
        True, make=lambda: dense(activation=None), y=NUMBERS,
        loss=lambda: losses.MeanSquaredError(reduction="sum"),
    ),
    "mae": Replayed(True, make=lambda: dense(activation=None), y=NUMBERS, loss="mae"),
    "huber": Replayed(
        True, make=lambda: dense(activation=None), y=NUMBERS,
        loss=lambda: losses.Huber(0.3),
    ),
    "binary": Replayed(
        True, make=lambda: dense(activation="sigmoid"), y=YES,
        loss="binary_crossentropy",
    ),
    "binary, smoothed and weighted": Replayed(
        True, make=lambda: dense(activation="sigmoid"), y=YES,
        loss=lambda: losses.BinaryCrossentropy(label_smoothing=0.1),
        fit={"sample_weight": WEIGHTS},
    ),
    "binary of a softmax": Replayed(False, y=YES, loss="binary_crossentropy"),
    "own loss": Replayed(
        False, make=lambda: dense(activation=None), y=NUMBERS,
        loss=lambda: lambda y, p: (y - p) ** 2,
    ),
    "own activation": Replayed(False, make=lambda: dense(activation=lambda x: x * 2)),
    "l2": Replayed(
        True, make=lambda: dense(kernel_regularizer=regularizers.l2(0.01))
    ),
    "l1 and l2": Replayed(
        True, make=lambda: dense(kernel_regularizer=regularizers.l1_l2(0.01, 0.02))
    ),
    "activities": Replayed(
        True, make=lambda: dense(activity_regularizer="l1_l2"), metrics=["accuracy"]
    ),
    "transposed": Replayed(
        True,
        make=lambda: keras.Sequential(
            [keras.Input((6,)), layers.Reshape((2, 3, 1)),
             layers.Conv2DTranspose(4, 2, strides=2, activation="relu"),
             layers.Flatten(), layers.Dense(3, "softmax")]
        ),
    ),
    "dropout": Replayed(
        True,
        make=lambda: keras.Sequential(
            [keras.Input((6,)), layers.Dense(8, "relu"), layers.Dropout(0.3),
             layers.Dense(3, "softmax")]
        ),
    ),
    "outputs that share memory": Replayed(
        True, make=twice_the_same, y=[NUMBERS, NUMBERS[..., None], NUMBERS], loss="mse"
    ),
    "an input as an output": Replayed(
        False,
        make=lambda: keras.Model(i := keras.Input((6,)), [layers.Dense(3)(i), i]),
        y=[NUMBERS, ROWS],
        loss=lambda: ["mse", None],
        metrics=lambda: [None, ["mae"]],
    ),
    "graph": Replayed(
        True, make=forked, y=[KINDS, NUMBERS], loss=lambda: [
            "sparse_categorical_crossentropy", "mse"], loss_weights=lambda: [1.0, 0.5],
    ),
}  # fmt: skip


def trained(case, *, replay):
    tw.manual_seed(0)
    keras.naming.reset()
    model = case.make()
    model.compile(**{name: value() for name, value in case.compiled.items()})
    trainer = model._trained_by()
    if not replay:
        trainer._own_loss = False
    history = model.fit(ROWS, case.y, 16, epochs=3, verbose=0, **case.fit)
    step = trainer._step
    plans = [plan for plan in step._known.values() if getattr(plan, "verified", False)]
    return model.get_weights(), history.history, (bool(plans), step.reason)


@needs_kernels
@pytest.mark.parametrize("name", CASES)
def test_same_bits(name):
    case = CASES[name]
    weights, history, (replayed, reason) = trained(case, replay=True)
    expected, expected_history, _ = trained(case, replay=False)
    for a, b in zip(weights, expected, strict=True):
        assert a.tobytes() == b.tobytes()
    assert history == expected_history
    assert replayed == case.replayed, reason
