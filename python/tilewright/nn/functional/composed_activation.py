"""Activations that are composed of NumPy operations, without a kernel of their own.

Each is a pair: the function of x, and its derivative as a function of x and of the
result y. What they take, return and raise is that of all activations, which
`tilewright.nn.functional.activation` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright.autograd import Tensor
from tilewright.autograd.arrays import boxed
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.kernels import checks
from tilewright.nn.types import Array, TensorLike

_SELU_SCALE = 1.0507009873554805
_SELU_ALPHA = 1.6732632423543772


def _sigmoid(x: Array) -> Array:
    """Logistic function; exp never sees a positive number, so nothing overflows."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


# Functions of x and one number, and their derivatives as functions of x, y and it.
_FORWARD: dict[str, Callable[[Array, float], Any]] = {
    "elu": _elu,
    "selu": lambda x, _: _SELU_SCALE * _elu(x, _SELU_ALPHA),
    "silu": lambda x, _: x * _sigmoid(x),
    "softplus": lambda x, _: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
    "softsign": lambda x, _: x / (1 + np.abs(x)),
    "relu6": lambda x, _: np.clip(x, 0, 6),
    "hardsigmoid": lambda x, _: np.clip(x / 6 + 0.5, 0, 1),
}
_DERIVATIVE: dict[str, Callable[[Array, Array, float], Any]] = {
    "elu": lambda x, y, alpha: np.where(x > 0, 1, y + alpha),
    "selu": lambda x, y, _: np.where(x > 0, _SELU_SCALE, y + _SELU_SCALE * _SELU_ALPHA),
    "silu": lambda x, y, _: (s := _sigmoid(x)) + y * (1 - s),
    "softplus": lambda x, y, _: _sigmoid(x),
    "softsign": lambda x, y, _: 1 / (1 + np.abs(x)) ** 2,
    "relu6": lambda x, y, _: (x > 0) & (x < 6),
    "hardsigmoid": lambda x, y, _: ((x > -3) & (x < 3)) / 6,
}


class _ComposedActivation(Function):
    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, x: Array, *, kind: str, number: float = 0.0) -> Array:
        x = checks.floating(kind, "x", x, None)
        ctx.kind = kind
        ctx.number = number
        with np.errstate(all="ignore"):
            y = boxed(_FORWARD[kind](x, number)).astype(x.dtype, copy=False)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        x, y = ctx.saved
        slope = _DERIVATIVE[ctx.kind](x, y, ctx.number)
        dx: Array = np.multiply(dy, slope, dtype=dy.dtype)
        return dx


def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    x : Tensor or ndarray
    alpha : float, default 1.0
        At least 0.

    Raises
    ------
    ValueError
        If alpha is negative.

    References
    ----------
    D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and Accurate Deep Network
    Learning by Exponential Linear Units", 2016, https://arxiv.org/abs/1511.07289.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.elu(np.array([-1, 2], np.float32))
    tensor([-0.6321,  2.0000])
    """
    return _ComposedActivation.apply(
        x, kind="elu", number=checks.number("elu", "alpha", alpha)
    )


def selu(x: TensorLike) -> Tensor:
    """ELU scaled so that layers keep mean 0 and variance 1.

    References
    ----------
    G. Klambauer et al., "Self-Normalizing Neural Networks", 2017,
    https://arxiv.org/abs/1706.02515.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.selu(np.array([-1, 2], np.float32))
    tensor([-1.1113,  2.1014])
    """
    return _ComposedActivation.apply(x, kind="selu")


def silu(x: TensorLike) -> Tensor:
    """``x * sigmoid(x)``, also called swish.

    References
    ----------
    P. Ramachandran, B. Zoph and Q. V. Le, "Searching for Activation Functions", 2017,
    https://arxiv.org/abs/1710.05941.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.silu(np.array([-1, 2], np.float32))
    tensor([-0.2689,  1.7616])
    """
    return _ComposedActivation.apply(x, kind="silu")


def softplus(x: TensorLike) -> Tensor:
    """``log(1 + exp(x))``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.softplus(np.array([-1, 1000], np.float32))
    tensor([3.1326e-01, 1.0000e+03])
    """
    return _ComposedActivation.apply(x, kind="softplus")


def softsign(x: TensorLike) -> Tensor:
    """``x / (1 + abs(x))``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.softsign(np.array([-1, 3], np.float32))
    tensor([-0.5000,  0.7500])
    """
    return _ComposedActivation.apply(x, kind="softsign")


def relu6(x: TensorLike) -> Tensor:
    """``min(max(x, 0), 6)``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.relu6(np.array([-1, 3, 8], np.float32))
    tensor([0., 3., 6.])
    """
    return _ComposedActivation.apply(x, kind="relu6")


def hardsigmoid(x: TensorLike) -> Tensor:
    """``relu6(x + 3) / 6``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.hardsigmoid(np.array([-3, 0, 5], np.float32))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _ComposedActivation.apply(x, kind="hardsigmoid")
