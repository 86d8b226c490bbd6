"""JAX's side: one jit-ed function a step, with its buffers donated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from comparison.training import LEARNING_RATE, Array, Problem, Training

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def convolutional(weights: list[Any], x: Any) -> Any:
    """Logits of the convolutional network; NHWC, as tilewright has it."""
    for layer in range(3):
        x = lax.conv_general_dilated(
            x,
            weights[2 * layer],
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jnp.maximum(x + weights[2 * layer + 1], 0)
        if layer < 2:
            window = (1, 2, 2, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    return perceptron(weights[6:], x.reshape(len(x), -1))


def perceptron(weights: list[Any], x: Any) -> Any:
    """Logits of linear layers with ReLU between them."""
    for i in range(0, len(weights), 2):
        x = x @ weights[i] + weights[i + 1]
        if i + 2 < len(weights):
            x = jnp.maximum(x, 0)
    return x


@partial(jax.jit, static_argnums=0, donate_argnums=(1,))
def train_step(network: Any, state: Any, x: Any, y: Any) -> Any:
    """One step of Adam; the new state and the loss."""
    weights, means, squares, count = state

    def loss_of(weights: list[Any]) -> Any:
        logs = jax.nn.log_softmax(network(weights, x))
        return -jnp.take_along_axis(logs, y[:, None], axis=1).mean()

    loss, gradients = jax.value_and_grad(loss_of)(weights)
    count = count + 1
    rate = LEARNING_RATE / (1 - BETA1**count)
    scale = 1 / (1 - BETA2**count)
    means = [BETA1 * m + (1 - BETA1) * g for m, g in zip(means, gradients, strict=True)]
    squares = [
        BETA2 * v + (1 - BETA2) * g * g for v, g in zip(squares, gradients, strict=True)
    ]
    weights = [
        w - rate * m / (jnp.sqrt(v * scale) + EPSILON)
        for w, m, v in zip(weights, means, squares, strict=True)
    ]
    return (weights, means, squares, count), loss


class JaxTraining(Training):
    """Variant "jit"."""

    def __init__(self, problem: Problem, variant: str) -> None:
        super().__init__(problem, variant)
        self._network = convolutional if problem.widths is None else perceptron
        self._state: Any = None

    def reset(self) -> None:
        weights = [jnp.array(array) for array in self.problem.weights]
        means = [jnp.zeros_like(w) for w in weights]
        squares = [jnp.zeros_like(w) for w in weights]
        count = jnp.zeros((), jnp.float32)
        self._state = jax.block_until_ready((weights, means, squares, count))

    def step(self, x: Array, y: Array) -> Any:
        """Dispatched, not waited for."""
        labels = y.astype(np.int32)  # JAX would convert them itself, more slowly
        self._state, loss = train_step(self._network, self._state, x, labels)
        return loss

    def values(self, losses: Sequence[Any]) -> list[float]:
        """All at once."""
        jax.block_until_ready(self._state)
        return [float(value) for value in np.asarray(losses)]
