"""Stochastic gradient descent, plain and with momentum.

References: B. T. Polyak, "Some methods of speeding up the convergence of iteration
methods", 1964; I. Sutskever et al., "On the importance of initialization and momentum
in deep learning", ICML 2013 (Nesterov's form).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright import kernels
from tilewright.kernels import checks
from tilewright.optim.optimizer import Group, Optimizer, Parameters, Update

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture
    from tilewright.kernels.recording import Replay


class SGD(Optimizer):
    """Steps along the gradient, or along its decaying sum.

    See :func:`tilewright.kernels.sgd_step` for the formula.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        See :class:`Optimizer`.
    lr : float, default 1e-3
    momentum : float, default 0.0
        Decay rate of the sum, in ``[0, 1)``.
    weight_decay : float, default 0.0
        Added to the gradient as ``weight_decay * p``.
    nesterov : bool, default False
        Look ahead along the momentum; needs one.

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
    >>> opt = optim.SGD([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> opt.step()
    >>> weight.data
    array([-0.5, -0.5], dtype=float32)
    """

    kernel = "sgd_step"
    recorded_options = ("lr", "momentum", "weight_decay")

    def state_names(self, group: Group) -> tuple[str, ...]:
        """What is kept for each parameter of a group."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(params, defaults)

    def check_options(self, group: Group) -> None:
        """Raise ValueError or TypeError where an option of a group is wrong."""
        name = type(self).__name__
        checks.number(name, "lr", group["lr"])
        checks.number(name, "weight_decay", group["weight_decay"])
        checks.number(name, "momentum", group["momentum"], 0.0, 1.0, open_high=True)
        if group["nesterov"] and not group["momentum"]:
            raise ValueError(f"{name}: nesterov=True needs a momentum above 0, got 0")

    def run_kernel(self, update: Update) -> None:
        """Move the parameters of an update."""
        group = update.group
        kernels.sgd_step(
            update.params,
            update.grads,
            update.states[0] if update.states else None,
            lr=group["lr"],
            momentum=group["momentum"],
            nesterov=group["nesterov"],
            weight_decay=group["weight_decay"],
        )

    def set_recorded(
        self, replay: Replay | Capture, index: int, group: Group, step: int
    ) -> None:
        """Put a group's options into a recorded call."""
        replay.set_sgd(index, group["lr"], group["momentum"], group["weight_decay"])


class Momentum(SGD):
    """SGD along the decaying sum of the gradients.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        See :class:`Optimizer`.
    lr : float, default 1e-3
    momentum : float, default 0.9
        Decay rate of the sum, in ``[0, 1)``.
    weight_decay : float, default 0.0
        Added to the gradient as ``weight_decay * p``.

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
    >>> weight = nn.Parameter(np.zeros(1, np.float32))
    >>> opt = optim.Momentum([weight], lr=1.0, momentum=0.5)
    >>> for _ in range(2):
    ...     opt.zero_grad()
    ...     weight.sum().backward()
    ...     opt.step()
    >>> weight.data
    array([-2.5], dtype=float32)
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, momentum, weight_decay)


class Nesterov(SGD):
    """Momentum that looks ahead: the gradient where the sum is about to lead.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        See :class:`Optimizer`.
    lr : float, default 1e-3
    momentum : float, default 0.9
        Decay rate of the sum, in ``(0, 1)``.
    weight_decay : float, default 0.0
        Added to the gradient as ``weight_decay * p``.

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
    >>> weight = nn.Parameter(np.zeros(1, np.float32))
    >>> opt = optim.Nesterov([weight], lr=1.0, momentum=0.5)
    >>> weight.sum().backward()
    >>> opt.step()
    >>> weight.data
    array([-1.5], dtype=float32)
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, momentum, weight_decay, nesterov=True)
