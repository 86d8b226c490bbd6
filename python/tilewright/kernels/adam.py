"""Adam and AdamW: one step over lists of arrays, in place.

References: D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization",
2015, https://arxiv.org/abs/1412.6980, algorithm 1; I. Loshchilov and F. Hutter,
"Decoupled Weight Decay Regularization", 2019, https://arxiv.org/abs/1711.05101.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tilewright.kernels import checks, dispatch, inplace
from tilewright.kernels.backends.protocol import FloatArray


def adam_step(
    params: Sequence[FloatArray],
    grads: Sequence[FloatArray],
    exp_avg: Sequence[FloatArray],
    exp_avg_sq: Sequence[FloatArray],
    *,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    bias_correction: bool = True,
) -> None:
    """Move parameters by one step of Adam, and update the moments, in place.

    With m and v the moments, t the step and b1, b2 the betas::

        g += weight_decay * p          (decoupled: p -= lr * weight_decay * p)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        p -= lr / (1 - b1**t) * m / (sqrt(v) / sqrt(1 - b2**t) + eps)

    Parameters
    ----------
    params, exp_avg, exp_avg_sq
        Lists of arrays, the moments of the parameters' shapes and zero at the
        start. They are overwritten: C-contiguous, writeable, not overlapping.
    grads
        Gradients of the parameters' shapes.
    step
        t, counted from 1.
    lr
        Learning rate.
    betas
        Decay rates of the moments, each in ``[0, 1)``.
    eps
        Added to the root of the second moment.
    weight_decay
        Added to the gradient as ``weight_decay * p``, or see ``decoupled``.
    decoupled
        AdamW: shrink the parameter itself, before the step.
    bias_correction
        Divide the moments by ``1 - beta**t``. Without it the last line above is
        ``p -= lr * m / (sqrt(v) + eps)``.

    Raises
    ------
    ValueError
        If the lists' lengths or the arrays' shapes differ, an array cannot be
        written or overlaps another, or a number is out of range. Everything is
        checked before anything is written.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like the
        others.

    Examples
    --------
    >>> import numpy as np
    >>> p, m, v = (np.zeros(1, np.float32) for _ in range(3))
    >>> adam_step([p], [np.ones(1, np.float32)], [m], [v], step=1, lr=0.5)
    >>> p.round(6)
    array([-0.5], dtype=float32)
    """
    op = "adam_step"
    step = checks.integer(op, "step", step, 1, 2**62)
    lr = checks.number(op, "lr", lr)
    given: Any = betas
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError(f"{op}: betas must be a pair of numbers, got {betas!r}")
    beta1 = checks.number(op, "betas[0]", given[0], 0.0, 1.0, open_high=True)
    beta2 = checks.number(op, "betas[1]", given[1], 0.0, 1.0, open_high=True)
    eps = checks.number(op, "eps", eps)
    weight_decay = checks.number(op, "weight_decay", weight_decay)
    moments = (("exp_avg", exp_avg), ("exp_avg_sq", exp_avg_sq))
    arrays = inplace.checked(op, params, grads, moments)
    if arrays.dtype is None:
        return
    averages, squares = arrays.states
    dispatch.for_array(op, arrays.params[0]).adam_step(
        arrays.params,
        arrays.grads,
        averages,
        squares,
        step,
        lr,
        beta1,
        beta2,
        eps,
        weight_decay,
        bool(decoupled),
        bool(bias_correction),
    )
