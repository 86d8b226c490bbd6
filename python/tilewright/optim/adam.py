"""Adam and AdamW.

References: D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization",
2015, https://arxiv.org/abs/1412.6980; I. Loshchilov and F. Hutter, "Decoupled Weight
Decay Regularization", 2019, https://arxiv.org/abs/1711.05101.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tilewright import kernels
from tilewright.kernels import checks
from tilewright.optim.optimizer import Group, Optimizer, Parameters, Update

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture
    from tilewright.kernels.recording import Replay


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    See :func:`tilewright.kernels.adam_step` for the formula.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        See :class:`Optimizer`.
    lr : float, default 1e-3
    betas : pair of float, default (0.9, 0.999)
        Decay rates of the two means, each in ``[0, 1)``.
    eps : float, default 1e-8
        Added to the root of the second mean.
    weight_decay : float, default 0.0
        Added to the gradient as ``weight_decay * p``.
    bias_correction : bool, default True
        Whether to divide the means by ``1 - beta**step``.

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
    >>> opt = optim.Adam([weight], lr=0.5)
    >>> weight.sum().backward()
    >>> opt.step()
    >>> weight.data.round(4)
    array([-0.5, -0.5], dtype=float32)
    """

    kernel = "adam_step"
    recorded_options = ("lr", "betas", "eps", "weight_decay")
    _decoupled: ClassVar[bool] = False

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        bias_correction: bool = True,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "bias_correction": bias_correction,
        }
        super().__init__(params, defaults)

    def state_names(self, group: Group) -> tuple[str, ...]:
        """What is kept for each parameter of a group."""
        return "exp_avg", "exp_avg_sq"

    def check_options(self, group: Group) -> None:
        """Raise ValueError or TypeError where an option of a group is wrong."""
        name, betas = type(self).__name__, group["betas"]
        for option in ("lr", "eps", "weight_decay"):
            checks.number(name, option, group[option])
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"{name}: betas must be a pair of numbers, got {betas!r}")
        for position, beta in enumerate(betas):
            checks.number(name, f"betas[{position}]", beta, 0.0, 1.0, open_high=True)

    def run_kernel(self, update: Update) -> None:
        """Move the parameters of an update."""
        group = update.group
        kernels.adam_step(
            update.params,
            update.grads,
            update.states[0],
            update.states[1],
            step=update.step,
            lr=group["lr"],
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=self._decoupled,
            bias_correction=group["bias_correction"],
        )

    def set_recorded(
        self, replay: Replay | Capture, index: int, group: Group, step: int
    ) -> None:
        """Put a group's options and the step's number into a recorded call."""
        beta1, beta2 = group["betas"]
        replay.set_adam(
            index, step, group["lr"], beta1, beta2, group["eps"], group["weight_decay"]
        )


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself, before the step.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        See :class:`Optimizer`.
    lr : float, default 1e-3
    betas : pair of float, default (0.9, 0.999)
        Decay rates of the two means, each in ``[0, 1)``.
    eps : float, default 1e-8
        Added to the root of the second mean.
    weight_decay : float, default 0.01
        A step takes away ``lr * weight_decay * p``.
    bias_correction : bool, default True
        Whether to divide the means by ``1 - beta**step``.

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
    >>> weight = nn.Parameter(np.ones(2, np.float32))
    >>> opt = optim.AdamW([weight], lr=0.5, weight_decay=0.5)
    >>> weight.sum().backward()
    >>> opt.step()
    >>> weight.data.round(4)
    array([0.25, 0.25], dtype=float32)
    """

    _decoupled = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        bias_correction: bool = True,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, bias_correction)
