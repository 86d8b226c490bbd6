"""Keras's side, over TensorFlow: `fit`, as its users call it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np
from keras import layers

from comparison.training import LEARNING_RATE, Array, Problem, Training


def set_threads(threads: int) -> None:
    """Before TensorFlow does anything."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


class Adam(keras.optimizers.Adam):
    """Keras's Adam with epsilon where the paper's algorithm and the others have it.

    Keras adds it to the root of the uncorrected second moment (the paper's
    "epsilon hat"), where it weighs up to 32 times as much: enough for loss curves to
    part within ten steps. It costs the same.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        step = keras.ops.cast(self.iterations + 1, variable.dtype)
        beta2 = keras.ops.cast(self.beta_2, variable.dtype)
        plain = self.epsilon
        self.epsilon = plain * keras.ops.sqrt(1 - keras.ops.power(beta2, step))
        try:
            super().update_step(gradient, variable, learning_rate)
        finally:
            self.epsilon = plain


def build(problem: Problem) -> keras.Sequential:
    """The network that the problem names; NHWC, as tilewright has it."""
    widths = problem.widths
    if widths is not None:
        hidden = [layers.Dense(width, activation="relu") for width in widths[1:-1]]
        return keras.Sequential(
            [keras.Input((widths[0],)), *hidden, layers.Dense(widths[-1])]
        )
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )


class KerasTraining(Training):
    """Variant "tensorflow"."""

    def __init__(self, problem: Problem, variant: str) -> None:
        super().__init__(problem, variant)
        self._model = build(problem)
        self._optimizer = Adam(LEARNING_RATE, epsilon=1e-8)
        self._model.compile(
            self._optimizer, keras.losses.SparseCategoricalCrossentropy(True)
        )
        self._optimizer.build(self._model.trainable_variables)
        self._fresh = [np.array(v) for v in self._optimizer.variables]
        self._ordered: tuple[Array, Array] | None = None

    def reset(self) -> None:
        self._model.set_weights(self.problem.weights)
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(value)

    def step(self, x: Array, y: Array) -> float:
        """For the check of the losses alone."""
        self._model.reset_metrics()  # else it is the mean of all losses so far
        return float(self._model.train_on_batch(x, y))

    def timed(self, steps: int) -> tuple[float, float]:
        """By `fit` on data that lie in order already; reading losses would stall it."""
        self.reset()
        fit = self._fit(steps)
        begin = time.perf_counter()
        history = fit()
        seconds = time.perf_counter() - begin
        return seconds, float(history.history["loss"][0])

    def _fit(self, steps: int) -> Callable[[], Any]:
        size = self.problem.batch_size
        if self._ordered is None or len(self._ordered[0]) != steps * size:
            rows = self.problem.order[: steps * size]
            self._ordered = self.problem.x[rows], self.problem.y[rows]
        x, y = self._ordered
        return lambda: self._model.fit(
            x, y, batch_size=size, epochs=1, shuffle=False, verbose=0
        )
