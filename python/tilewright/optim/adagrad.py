"""Adagrad.

Reference: J. Duchi, E. Hazan and Y. Singer, "Adaptive Subgradient Methods for Online
Learning and Stochastic Optimization", JMLR 12, 2011.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tilewright import kernels
from tilewright.kernels import checks
from tilewright.optim.optimizer import Group, Optimizer, Parameters, Update

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture
    from tilewright.kernels.recording import Replay


class Adagrad(Optimizer):
    """Steps scaled by the sum of all squares of the gradient so far.

    See :func:`tilewright.kernels.adagrad_step` for the formula; in step t the rate is
    ``lr / (1 + (t - 1) * lr_decay)``.

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

    kernel = "adagrad_step"
    recorded_options = ("lr", "lr_decay", "weight_decay", "eps")
    _eps_in_root: ClassVar[bool] = False

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

    def run_kernel(self, update: Update) -> None:
        """Move the parameters of an update."""
        group = update.group
        kernels.adagrad_step(
            update.params,
            update.grads,
            update.states[0],
            lr=_rate(group, update.step),
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            eps_in_root=self._eps_in_root,
        )

    def set_recorded(
        self, replay: Replay | Capture, index: int, group: Group, step: int
    ) -> None:
        """Put a group's options and the step's rate into a recorded call."""
        rate = _rate(group, step)
        replay.set_adagrad(index, rate, group["eps"], group["weight_decay"])


def _rate(group: Group, step: int) -> float:
    rate: float = group["lr"] / (1 + (step - 1) * group["lr_decay"])
    return rate
