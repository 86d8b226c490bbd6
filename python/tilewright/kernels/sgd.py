"""Stochastic gradient descent with momentum: one step over lists, in place.

References: B. T. Polyak, "Some methods of speeding up the convergence of iteration
methods", 1964; I. Sutskever et al., "On the importance of initialization and
momentum in deep learning", ICML 2013 (Nesterov's form). As in PyTorch the learning
rate multiplies the buffer, so that a change of it takes effect at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.kernels import checks, dispatch, inplace
from tilewright.kernels.backends.protocol import FloatArray


def sgd_step(
    params: Sequence[FloatArray],
    grads: Sequence[FloatArray],
    momentum_buffers: Sequence[FloatArray] | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """Move parameters by one step of gradient descent, in place.

    With buf the momentum buffer::

        g += weight_decay * p
        buf = momentum * buf + g
        p -= lr * (g + momentum * buf if nesterov else buf)

    Parameters
    ----------
    params
        List of arrays, overwritten: C-contiguous, writeable, not overlapping.
    grads
        Gradients of the parameters' shapes.
    momentum_buffers
        The same shapes, zero at the start, overwritten; None without momentum.
    lr
        Learning rate.
    momentum
        In ``[0, 1)``; needs the buffers where it is not 0.
    nesterov
        Look ahead along the momentum; needs a momentum.
    weight_decay
        Added to the gradient as ``weight_decay * p``.

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
    >>> p = np.zeros(1, np.float32)
    >>> sgd_step([p], [np.ones(1, np.float32)], lr=0.5)
    >>> p
    array([-0.5], dtype=float32)
    """
    op = "sgd_step"
    lr = checks.number(op, "lr", lr)
    momentum = checks.number(op, "momentum", momentum, 0.0, 1.0, open_high=True)
    weight_decay = checks.number(op, "weight_decay", weight_decay)
    if momentum_buffers is None and momentum:
        raise ValueError(f"{op}: momentum={momentum} needs momentum_buffers")
    if nesterov and not momentum:
        raise ValueError(f"{op}: nesterov=True needs a momentum above 0")
    states = (
        () if momentum_buffers is None else (("momentum_buffers", momentum_buffers),)
    )
    arrays = inplace.checked(op, params, grads, states)
    if arrays.dtype is None:
        return
    dispatch.for_array(op, arrays.params[0]).sgd_step(
        arrays.params,
        arrays.grads,
        arrays.states[0] if arrays.states else None,
        lr,
        momentum,
        bool(nesterov),
        weight_decay,
    )
