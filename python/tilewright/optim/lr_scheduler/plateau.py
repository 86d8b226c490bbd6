"""Smaller rates where a number stops getting better."""

from __future__ import annotations

import math

from tilewright.kernels import checks
from tilewright.optim.lr_scheduler.scheduler import LRScheduler
from tilewright.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` where a number has not become better for a while.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {"min", "max"}, default "min"
        Whether less or more is better.
    factor : float, default 0.1
        Below 1.
    patience : int, default 10
        Steps without improvement that are let pass.
    threshold : float, default 1e-4
        By how much a number has to be better, as a share of the best one
        (``"rel"``) or as it is (``"abs"``).
    threshold_mode : {"rel", "abs"}, default "rel"
    cooldown : int, default 0
        Steps after a reduction that do not count.
    min_lr : float, default 0.0
    eps : float, default 1e-8
        A reduction by less than this is not made.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or none.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=1.0)
    >>> schedule = optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1, factor=0.5)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> opt.lr
    0.5
    """

    _kept = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter", "rates")

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = self._name
        self.mode = checks.choice(name, "mode", mode, ("min", "max"))
        self.threshold_mode = checks.choice(
            name, "threshold_mode", threshold_mode, ("rel", "abs")
        )
        self.factor = checks.number(name, "factor", factor, 0.0, 1.0, open_high=True)
        self.patience = self._count("patience", patience, 0)
        self.cooldown = self._count("cooldown", cooldown, 0)
        self.threshold = self._number("threshold", threshold)
        self.min_lr = self._number("min_lr", min_lr)
        self.eps = self._number("eps", eps)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        super().__init__(optimizer)
        self.rates = list(self.base_lrs)

    def apply(self) -> None:
        """Set the rates again that were in force, after `load_state_dict`."""
        rates = getattr(self, "rates", self.base_lrs)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def step(self, metrics: float | None = None) -> None:
        """Take in a number, and reduce the rates where it is time.

        Parameters
        ----------
        metrics : float
            Such as the validation loss of the epoch.

        Raises
        ------
        TypeError
            If it is none.
        """
        if metrics is None:
            raise TypeError("ReduceLROnPlateau: step needs the number to go by")
        value = float(metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group in self.optimizer.param_groups:
                reduced = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - reduced > self.eps:
                    group["lr"] = reduced
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self.rates = self.get_last_lr()

    def _better(self, value: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        margin = self.threshold
        if self.threshold_mode == "rel":
            # PyTorch's: best * (1 -+ threshold), whatever the sign of best.
            return sign * value < sign * self.best * (1 - sign * margin)
        return sign * value < sign * self.best - margin
