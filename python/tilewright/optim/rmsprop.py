"""RMSprop.

References: T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural
Networks for Machine Learning, 2012; A. Graves, "Generating Sequences With Recurrent
Neural Networks", 2013, https://arxiv.org/abs/1308.0850 (the centred form).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tilewright import kernels
from tilewright.kernels import checks
from tilewright.optim.optimizer import Group, Optimizer, Parameters, Update

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture
    from tilewright.kernels.recording import Replay


class RMSprop(Optimizer):
    """Steps scaled by a running mean of the gradient's square.

    See :func:`tilewright.kernels.rmsprop_step` for the formula.

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

    kernel = "rmsprop_step"
    recorded_options = ("lr", "alpha", "eps", "weight_decay", "momentum")
    _eps_in_root: ClassVar[bool] = False

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

    def run_kernel(self, update: Update) -> None:
        """Move the parameters of an update."""
        group = update.group
        kept = dict(zip(self.state_names(group), update.states, strict=True))
        kernels.rmsprop_step(
            update.params,
            update.grads,
            kept["square_avg"],
            kept.get("grad_avg"),
            kept.get("momentum_buffer"),
            lr=group["lr"],
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            eps_in_root=self._eps_in_root,
        )

    def set_recorded(
        self, replay: Replay | Capture, index: int, group: Group, step: int
    ) -> None:
        """Put a group's options into a recorded call."""
        replay.set_rmsprop(index, *(group[name] for name in self.recorded_options))
