"""Adagrad.

Reference: J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online
Learning and Stochastic Optimization", JMLR 12, 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.kernels import checks
from tilewright.optim.composed import ComposedOptimizer
from tilewright.optim.optimizer import Group, Parameters

Array = NDArray[Any]


class Adagrad(ComposedOptimizer):
    """Steps scaled by the sum of all squares of the gradient so far.

    With s the sum and t the step::

        s += g * g
        p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        See :class:`Optimizer`.
    lr : float, default 1e-2
    lr_decay : float, default 0.0
    weight_decay : float, default 0.0
        Added to the gradient as ``weight_decay * p``.
    initial_accumulator_value : float, default 0.0
        What the sum starts from.
    eps : float, default 1e-10
        Added to the root.

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
    >>> opt = optim.Adagrad([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> opt.step()
    >>> weight.data
    array([-0.5, -0.5], dtype=float32)
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        }
        super().__init__(params, defaults)

    def state_names(self, group: Group) -> tuple[str, ...]:
        """What is kept for each parameter of a group."""
        return ("sum",)

    def initial_state(self, group: Group) -> float:
        """What the sum starts from."""
        value: float = group["initial_accumulator_value"]
        return value

    def check_options(self, group: Group) -> None:
        """Raise ValueError or TypeError where an option of a group is wrong."""
        name = type(self).__name__
        for option in self.defaults:
            checks.number(name, option, group[option])

    def move(
        self, group: Group, step: int, param: Array, grad: Array, *state: Array
    ) -> None:
        """Move one parameter, in place."""
        (total,) = state
        if group["weight_decay"]:
            grad = grad + group["weight_decay"] * param
        total += grad * grad
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        param -= rate * grad / self.divisor(group, total)

    def divisor(self, group: Group, total: Array) -> Array:
        """The root of the sum of squares, kept away from 0."""
        root: Array = np.sqrt(total) + group["eps"]
        return root
