"""Adam and AdamW, in place."""

from __future__ import annotations

import math

import numpy as np

from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array


@quiet
def adam_step(
    params: list[Array],
    grads: list[Array],
    exp_avg: list[Array],
    exp_avg_sq: list[Array],
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    bias_correction: bool,
) -> None:
    """Move parameters by one step of Adam, and update the moments."""
    step_size, root = lr, 1.0
    if bias_correction:
        step_size = lr / (1 - beta1**step)
        root = math.sqrt(1 - beta2**step)
    for p, g, m, v in zip(params, grads, exp_avg, exp_avg_sq, strict=True):
        if weight_decay and decoupled:
            p *= 1 - lr * weight_decay
        elif weight_decay:
            g = g + weight_decay * p
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        p -= step_size * m / (np.sqrt(v) / root + eps)
