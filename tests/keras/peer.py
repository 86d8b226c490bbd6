"""The same model in Keras itself and in ours, with the same weights."""

from __future__ import annotations

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="compares with Keras")

import tilewright.keras as ours  # noqa: E402

BOTH = (keras, ours)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def pair(make):
    """A model of each, made by one function of the package."""
    keras.utils.set_random_seed(0)
    theirs, mine = make(keras), make(ours)
    mine.set_weights(theirs.get_weights())
    return theirs, mine


def predictions(model, x):
    return np.asarray(model.predict(x, verbose=0))


def assert_same_outputs(make, x):
    theirs, mine = pair(make)
    assert mine.output_shape == theirs.output_shape
    np.testing.assert_allclose(predictions(mine, x), predictions(theirs, x), **CLOSE)
    return theirs, mine


def losses(model, batches):
    """What ten steps report."""
    found = []
    for x, y in batches:
        if model.__class__.__module__.startswith("keras"):
            model.reset_metrics()
        values = model.train_on_batch(x, y, return_dict=True)
        found.append({name: float(value) for name, value in values.items()})
    return found


def assert_same_training(make, compiled, x, y, steps=10, size=16):
    """The same losses and metrics over ten steps, and the same weights after them."""
    theirs, mine = pair(make)
    for package, model in zip(BOTH, (theirs, mine), strict=True):
        model.compile(**compiled(package))
    places = [np.arange(i * size, (i + 1) * size) % len(x) for i in range(steps)]
    batches = [(x[rows], y[rows]) for rows in places]
    for step, (a, b) in enumerate(
        zip(losses(mine, batches), losses(theirs, batches), strict=True)
    ):
        assert set(a) == set(b), step
        for name, value in b.items():
            assert a[name] == pytest.approx(value, rel=1e-4, abs=1e-6), (step, name)
    np.testing.assert_allclose(
        predictions(mine, x), predictions(theirs, x), rtol=1e-3, atol=1e-4
    )
    return theirs, mine
