"""RMSprop.

References: T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural
Networks for Machine Learning, 2012; A. Graves, "Generating Sequences With Recurrent
Neural Networks", 2013, https://arxiv.org/abs/1308.0850 (the centred form).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.kernels import checks
from tilewright.optim.composed import ComposedOptimizer
from tilewright.optim.optimizer import Group, Parameters

Array = NDArray[Any]


class RMSprop(ComposedOptimizer):
    """Steps scaled by a running mean of the gradient's square.

    With s the mean of squares, a of gradients where `centered`, and b the momentum::

        s = alpha * s + (1 - alpha) * g * g
        d = g / (sqrt(s - a * a) + eps)
        b = momentum * b + d
        p -= lr * b

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        See :class:`Optimizer`.
    lr : float, default 1e-2
    alpha : float, default 0.99
        Decay rate of the means, in ``[0, 1)``.
    eps : float, default 1e-8
        Added to the root.
    weight_decay : float, default 0.0
        Added to the gradient as ``weight_decay * p``.
    momentum : float, default 0.0
        Decay rate of the sum of steps, in ``[0, 1)``.
    centered : bool, default False
        Divide by the estimated deviation instead of the root of the mean square.

    Raises
    ------
    ValueError
        If an option is out of range, or the parameters are not usable.
    TypeError
        If something is no Tensor of floats.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> weight = nn.Parameter(np.zeros(2, np.float32))
    >>> opt = optim.RMSprop([weight], lr=0.1)
    >>> weight.sum().backward()
    >>> opt.step()
    >>> weight.data.round(4)
    array([-1., -1.], dtype=float32)
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
        }
        super().__init__(params, defaults)

    def state_names(self, group: Group) -> tuple[str, ...]:
        """What is kept for each parameter of a group."""
        names = ["square_avg"]
        if group["momentum"]:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    def check_options(self, group: Group) -> None:
        """Raise ValueError or TypeError where an option of a group is wrong."""
        name = type(self).__name__
        for option in ("lr", "eps", "weight_decay"):
            checks.number(name, option, group[option])
        for option in ("alpha", "momentum"):
            checks.number(name, option, group[option], 0.0, 1.0, open_high=True)

    def move(
        self, group: Group, step: int, param: Array, grad: Array, *state: Array
    ) -> None:
        """Move one parameter, in place."""
        alpha, kept = group["alpha"], iter(state)
        if group["weight_decay"]:
            grad = grad + group["weight_decay"] * param
        square = next(kept)
        square *= alpha
        square += (1 - alpha) * grad * grad
        buffer = next(kept) if group["momentum"] else None
        scale = square
        if group["centered"]:
            mean = next(kept)
            mean += (1 - alpha) * (grad - mean)
            scale = square - mean * mean
        direction = grad / self.divisor(group, scale)
        if buffer is not None:
            buffer *= group["momentum"]
            buffer += direction
            direction = buffer
        param -= group["lr"] * direction

    def divisor(self, group: Group, scale: Array) -> Array:
        """The root of the mean square (or variance), kept away from 0."""
        root: Array = np.sqrt(scale) + group["eps"]
        return root
