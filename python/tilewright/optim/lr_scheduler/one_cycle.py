"""One cycle of the learning rate over the whole training."""

from __future__ import annotations

from tilewright.kernels import checks
from tilewright.optim.lr_scheduler.planned import cosine
from tilewright.optim.lr_scheduler.scheduler import LRScheduler
from tilewright.optim.optimizer import Optimizer


class OneCycleLR(LRScheduler):
    """Up from a small rate to `max_lr`, then down to a much smaller one.

    The momentum (or Adam's first beta) goes the opposite way. To be stepped after
    every batch.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float
    total_steps : int, optional
        Of the cycle: the last rate is reached one step before.
    epochs, steps_per_epoch : int, optional
        Whose product is taken where `total_steps` is not given.
    pct_start : float, default 0.3
        Share of the steps that go up.
    anneal_strategy : {"cos", "linear"}, default "cos"
    cycle_momentum : bool, default True
    base_momentum, max_momentum : float, default 0.85 and 0.95
    div_factor : float, default 25.0
        The first rate is ``max_lr / div_factor``.
    final_div_factor : float, default 1e4
        The last rate is the first one over this.
    three_phase : bool, default False
        Down to the first rate in as many steps as up, then to the last one.

    Raises
    ------
    ValueError
        If a number is out of range, the number of steps is not given, or the
        optimizer has no momentum to cycle.
    TypeError
        If a number is none.

    References
    ----------
    L. N. Smith and N. Topin, "Super-Convergence: Very Fast Training of Neural
    Networks Using Large Learning Rates", 2017, https://arxiv.org/abs/1708.07120.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.Momentum([nn.Parameter(np.ones(2, np.float32))])
    >>> schedule = optim.lr_scheduler.OneCycleLR(opt, max_lr=1.0, total_steps=11)
    >>> round(opt.lr, 8), opt.param_groups[0]["momentum"]
    (0.04, 0.95)
    >>> for _ in range(10):
    ...     schedule.step()
    >>> round(opt.lr, 8)
    4e-06
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    "OneCycleLR: total_steps must be given, or epochs and "
                    "steps_per_epoch"
                )
            total_steps = self._count("epochs", epochs) * self._count(
                "steps_per_epoch", steps_per_epoch
            )
        self.total_steps = self._count("total_steps", total_steps)
        self.max_lr = self._number("max_lr", max_lr)
        self.anneal_strategy = checks.choice(
            self._name, "anneal_strategy", anneal_strategy, ("cos", "linear")
        )
        for name, value in (
            ("div_factor", div_factor),
            ("final_div_factor", final_div_factor),
        ):
            if not self._number(name, value):
                raise ValueError(f"OneCycleLR: {name} must be above 0, got {value}")
        initial = max_lr / div_factor
        final = initial / final_div_factor
        up = self._number("pct_start", pct_start, 1.0) * total_steps - 1
        # Each phase: the step it ends with, and rate and momentum at its two ends.
        low, high = base_momentum, max_momentum
        self._phases = [(up, (initial, max_lr), (high, low))]
        if three_phase:
            self._phases += [
                (2 * pct_start * total_steps - 2, (max_lr, initial), (low, high)),
                (total_steps - 1, (initial, final), (high, high)),
            ]
        else:
            self._phases += [(total_steps - 1, (max_lr, final), (low, high))]
        self._momentum = self._cycled(optimizer) if cycle_momentum else None
        for name, value in (("base_momentum", low), ("max_momentum", high)):
            checks.number(self._name, name, value, 0.0, 1.0, open_high=True)
        super().__init__(optimizer)

    def _cycled(self, optimizer: Optimizer) -> str:
        for option in ("betas", "momentum"):
            if optimizer.defaults.get(option):
                return option
        raise ValueError(
            "OneCycleLR: cycle_momentum=True needs an optimizer with momentum or "
            f"betas, got {type(optimizer).__name__} without"
        )

    def rate(self, base: float, step: int) -> float:
        """Learning rate after a number of steps."""
        return self._value(step, 0)

    def apply(self) -> None:
        """Set the rates, and the momentum, that are due now."""
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} is beyond the {self.total_steps} "
                "of the cycle"
            )
        super().apply()
        if self._momentum is None:
            return
        momentum = self._value(self.last_epoch, 1)
        for group in self.optimizer.param_groups:
            if self._momentum == "betas":
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum

    def _value(self, step: int, which: int) -> float:
        """Rate (0) or momentum (1) after a number of steps."""
        phases = self._phases
        number = 0
        while number < len(phases) - 1 and step > phases[number][0]:
            number += 1
        begin = phases[number - 1][0] if number else 0.0
        end, *ends = phases[number]
        first, last = ends[which]
        done = min((step - begin) / (end - begin), 1.0) if end > begin else 1.0
        if self.anneal_strategy == "cos":
            return cosine(first, last, done)
        return first + (last - first) * done
