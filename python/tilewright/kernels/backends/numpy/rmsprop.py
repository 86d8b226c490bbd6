"""RMSprop and Adagrad, in place."""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array


@quiet
def rmsprop_step(
    params: list[Array],
    grads: list[Array],
    square_avg: list[Array],
    grad_avg: list[Array] | None,
    momentum_buffers: list[Array] | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    eps_in_root: bool,
) -> None:
    """Move parameters by one step of RMSprop, and update what is kept."""
    for position, (p, g, s) in enumerate(zip(params, grads, square_avg, strict=True)):
        if weight_decay:
            g = g + weight_decay * p
        s *= alpha
        s += (1 - alpha) * g * g
        variance = s
        if grad_avg is not None:
            mean = grad_avg[position]
            mean *= alpha
            mean += (1 - alpha) * g
            variance = np.maximum(s - mean * mean, 0)
        direction = g / _divisor(variance, eps, eps_in_root)
        if momentum_buffers is not None:
            buffer = momentum_buffers[position]
            buffer *= momentum
            buffer += direction
            direction = buffer
        p -= lr * direction


@quiet
def adagrad_step(
    params: list[Array],
    grads: list[Array],
    sums: list[Array],
    lr: float,
    eps: float,
    weight_decay: float,
    eps_in_root: bool,
) -> None:
    """Move parameters by one step of Adagrad, and update the sums."""
    for p, g, s in zip(params, grads, sums, strict=True):
        if weight_decay:
            g = g + weight_decay * p
        s += g * g
        p -= lr * g / _divisor(s, eps, eps_in_root)


def _divisor(squares: Array, eps: float, eps_in_root: bool) -> Array:
    root: Array = np.sqrt(squares + eps) if eps_in_root else np.sqrt(squares) + eps
    return root
