"""Stochastic gradient descent with momentum, in place."""

from __future__ import annotations

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array


@quiet
def sgd_step(
    params: list[Array],
    grads: list[Array],
    momentum_buffers: list[Array] | None,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> None:
    """Move parameters by one step of gradient descent."""
    for position, (p, g) in enumerate(zip(params, grads, strict=True)):
        if weight_decay:
            g = g + weight_decay * p
        if momentum_buffers is not None:
            buffer = momentum_buffers[position]
            buffer *= momentum
            buffer += g
            g = g + momentum * buffer if nesterov else buffer
        p -= lr * g
