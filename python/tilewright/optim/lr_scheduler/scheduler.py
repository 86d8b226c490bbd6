"""The base of learning-rate schedules.

A schedule is a function of the number of steps done. It is computed from that number
each time, not from the rate before, so that a run that is resumed has the same rates
to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilewright.kernels import checks
from tilewright.optim.optimizer import Optimizer


class LRScheduler:
    """Sets the learning rates of an optimizer's groups, step by step.

    A subclass defines `rate`.

    Parameters
    ----------
    optimizer : Optimizer
        Its rates at this moment are the ones that the schedule starts from.

    Attributes
    ----------
    optimizer : Optimizer
    base_lrs : list of float
        Rates of the groups that the schedule starts from.
    last_epoch : int
        How often `step` was called: epochs, or batches, as the caller has it.

    Raises
    ------
    TypeError
        If it is given no optimizer.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> class Halving(optim.lr_scheduler.LRScheduler):
    ...     def rate(self, base, step):
    ...         return base * 0.5**step
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=0.5)
    >>> schedule = Halving(opt)
    >>> schedule.step()
    >>> opt.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{self._name}: optimizer must be an Optimizer, "
                f"got {type(optimizer).__name__}"
            )
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["lr"] for group in optimizer.param_groups]
        self.last_epoch = 0
        self.apply()

    @property
    def _name(self) -> str:
        return type(self).__name__

    def rate(self, base: float, step: int) -> float:
        """Learning rate of a group after a number of steps.

        Parameters
        ----------
        base : float
            The group's rate at the start.
        step : int
            How often `step` was called, from 0.

        Returns
        -------
        float
        """
        raise NotImplementedError

    def apply(self) -> None:
        """Set the rates that are due now."""
        pairs = zip(self.optimizer.param_groups, self.base_lrs, strict=True)
        for group, base in pairs:
            group["lr"] = self.rate(base, self.last_epoch)

    def step(self) -> None:
        """Go on by one; after `optimizer.step`, or after an epoch of them."""
        self.last_epoch += 1
        self.apply()

    def get_last_lr(self) -> list[float]:
        """The rates of the groups at this moment."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule is: plain numbers, ready for JSON."""
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in vars(self).items()
            if name in self._kept
        }

    # Names of the attributes that a state dict has.
    _kept: tuple[str, ...] = ("base_lrs", "last_epoch")

    def load_state_dict(self, state_dict: Any) -> None:
        """Go on where `state_dict` was taken.

        Parameters
        ----------
        state_dict : dict

        Raises
        ------
        ValueError
            If it is of another kind of schedule or of other groups.
        """
        expected = {name for name in self._kept if name in vars(self)}
        if not isinstance(state_dict, Mapping) or set(state_dict) != expected:
            got = sorted(state_dict) if isinstance(state_dict, Mapping) else state_dict
            raise ValueError(
                f"{self._name}: state_dict must have {sorted(expected)}, got {got}"
            )
        groups = len(self.optimizer.param_groups)
        if len(state_dict.get("base_lrs", range(groups))) != groups:
            raise ValueError(
                f"{self._name}: state_dict is of {len(state_dict['base_lrs'])} groups, "
                f"the optimizer has {groups}"
            )
        for name, value in state_dict.items():
            setattr(self, name, list(value) if isinstance(value, list) else value)
        self.apply()

    def _count(self, name: str, value: Any, minimum: int = 1) -> int:
        return checks.integer(self._name, name, value, minimum, 2**62)

    def _number(self, name: str, value: Any, high: float = float("inf")) -> float:
        return checks.number(self._name, name, value, 0.0, high)
