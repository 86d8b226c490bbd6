"""RMSprop and Adagrad: one step over lists of arrays, in place.

References: T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural
Networks for Machine Learning, 2012; A. Graves, "Generating Sequences With Recurrent
Neural Networks", 2013, https://arxiv.org/abs/1308.0850 (the centred form); J. Duchi,
E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online Learning and
Stochastic Optimization", JMLR 12, 2011.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.kernels import checks, dispatch, inplace
from tilewright.kernels.backends.protocol import FloatArray


def rmsprop_step(
    params: Sequence[FloatArray],
    grads: Sequence[FloatArray],
    square_avg: Sequence[FloatArray],
    grad_avg: Sequence[FloatArray] | None = None,
    momentum_buffers: Sequence[FloatArray] | None = None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    eps_in_root: bool = False,
) -> None:
    """Move parameters by one step of RMSprop, and update what is kept, in place.

    With s the mean square, a the mean gradient and b the momentum buffer::

        g += weight_decay * p
        s = alpha * s + (1 - alpha) * g * g
        a = alpha * a + (1 - alpha) * g
        v = max(s - a * a, 0)              (without a: v = s)
        d = g / (sqrt(v) + eps)            (eps_in_root: g / sqrt(v + eps))
        b = momentum * b + d               (without b: b = d)
        p -= lr * b

    Parameters
    ----------
    params, square_avg
        Lists of arrays, the means of the parameters' shapes and zero at the start.
        They are overwritten: C-contiguous, writeable, not overlapping.
    grads
        Gradients of the parameters' shapes.
    grad_avg
        The centred form: like `square_avg`, overwritten. None without it.
    momentum_buffers
        Like `square_avg`, overwritten; None without momentum.
    lr
        Learning rate.
    alpha
        Decay rate of the means, in ``[0, 1)``.
    eps
        Added to the root.
    weight_decay
        Added to the gradient as ``weight_decay * p``.
    momentum
        In ``[0, 1)``; needs the buffers where it is not 0.
    eps_in_root
        Add eps below the root, as Keras does.

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
    >>> p, s = np.zeros(1, np.float32), np.zeros(1, np.float32)
    >>> rmsprop_step([p], [np.ones(1, np.float32)], [s], lr=0.1)
    >>> p.round(4)
    array([-1.], dtype=float32)
    """
    op = "rmsprop_step"
    lr = checks.number(op, "lr", lr)
    alpha = checks.number(op, "alpha", alpha, 0.0, 1.0, open_high=True)
    eps = checks.number(op, "eps", eps)
    weight_decay = checks.number(op, "weight_decay", weight_decay)
    momentum = checks.number(op, "momentum", momentum, 0.0, 1.0, open_high=True)
    if momentum_buffers is None and momentum:
        raise ValueError(f"{op}: momentum={momentum} needs momentum_buffers")
    optional = (("grad_avg", grad_avg), ("momentum_buffers", momentum_buffers))
    given = [(name, arrays) for name, arrays in optional if arrays is not None]
    arrays = inplace.checked(op, params, grads, [("square_avg", square_avg), *given])
    if arrays.dtype is None:
        return
    squares, *rest = arrays.states
    kept = dict(zip((name for name, _ in given), rest, strict=True))
    dispatch.for_array(op, arrays.params[0]).rmsprop_step(
        arrays.params,
        arrays.grads,
        squares,
        kept.get("grad_avg"),
        kept.get("momentum_buffers"),
        lr,
        alpha,
        eps,
        weight_decay,
        momentum,
        bool(eps_in_root),
    )


def adagrad_step(
    params: Sequence[FloatArray],
    grads: Sequence[FloatArray],
    sums: Sequence[FloatArray],
    *,
    lr: float,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    eps_in_root: bool = False,
) -> None:
    """Move parameters by one step of Adagrad, and update the sums, in place.

    With s the sum of squares::

        g += weight_decay * p
        s += g * g
        p -= lr * g / (sqrt(s) + eps)      (eps_in_root: lr * g / sqrt(s + eps))

    Parameters
    ----------
    params, sums
        Lists of arrays, the sums of the parameters' shapes. They are overwritten:
        C-contiguous, writeable, not overlapping.
    grads
        Gradients of the parameters' shapes.
    lr
        Learning rate of this step.
    eps
        Added to the root.
    weight_decay
        Added to the gradient as ``weight_decay * p``.
    eps_in_root
        Add eps below the root, as Keras does.

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
    >>> p, s = np.zeros(1, np.float32), np.zeros(1, np.float32)
    >>> adagrad_step([p], [np.ones(1, np.float32)], [s], lr=0.5)
    >>> p
    array([-0.5], dtype=float32)
    """
    op = "adagrad_step"
    lr = checks.number(op, "lr", lr)
    eps = checks.number(op, "eps", eps)
    weight_decay = checks.number(op, "weight_decay", weight_decay)
    arrays = inplace.checked(op, params, grads, [("sums", sums)])
    if arrays.dtype is None:
        return
    dispatch.for_array(op, arrays.params[0]).adagrad_step(
        arrays.params,
        arrays.grads,
        arrays.states[0],
        lr,
        eps,
        weight_decay,
        bool(eps_in_root),
    )
