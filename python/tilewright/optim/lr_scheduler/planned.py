"""Schedules that are a function of the number of steps alone."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable

from tilewright.optim.lr_scheduler.scheduler import LRScheduler
from tilewright.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """The rate at the start times a function of the number of steps.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable
        From the number of steps done to a factor.

    Raises
    ------
    TypeError
        If it is no function.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=0.5)
    >>> schedule = optim.lr_scheduler.LambdaLR(opt, lambda step: 1 / (1 + step))
    >>> schedule.step()
    >>> opt.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        if not callable(lr_lambda):
            raise TypeError(
                "LambdaLR: lr_lambda must be a function, got "
                f"{type(lr_lambda).__name__}"
            )
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rate(self, base: float, step: int) -> float:
        """Learning rate after a number of steps."""
        return base * self.lr_lambda(step)


class StepLR(LRScheduler):
    """The rate times `gamma` after every `step_size` steps.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float, default 0.1

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or none.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=1.0)
    >>> schedule = optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.5)
    >>> for _ in range(5):
    ...     schedule.step()
    >>> opt.lr
    0.25
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1
    ) -> None:
        self.step_size = self._count("step_size", step_size)
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base: float, step: int) -> float:
        """Learning rate after a number of steps."""
        return base * self.gamma ** (step // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each of some steps.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
        Numbers of steps.
    gamma : float, default 0.1

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or none.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=1.0)
    >>> schedule = optim.lr_scheduler.MultiStepLR(opt, [1, 3], gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> opt.lr
    0.25
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1
    ) -> None:
        self.milestones = sorted(self._count("milestones", m, 0) for m in milestones)
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base: float, step: int) -> float:
        """Learning rate after a number of steps."""
        return base * self.gamma ** bisect.bisect_right(self.milestones, step)


class ExponentialLR(LRScheduler):
    """The rate times `gamma` after every step.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or none.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=1.0)
    >>> schedule = optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> opt.lr
    0.125
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base: float, step: int) -> float:
        """Learning rate after a number of steps."""
        return base * self.gamma**step


class CosineAnnealingLR(LRScheduler):
    """Half a period of the cosine from the rate at the start to `eta_min`.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        Steps to the minimum; the rate rises again after them.
    eta_min : float, default 0.0

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or none.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm
    Restarts", 2017, https://arxiv.org/abs/1608.03983.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=1.0)
    >>> schedule = optim.lr_scheduler.CosineAnnealingLR(opt, T_max=4)
    >>> for _ in range(2):
    ...     schedule.step()
    >>> round(opt.lr, 6)
    0.5
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,
        eta_min: float = 0.0,
    ) -> None:
        self.T_max = self._count("T_max", T_max)
        self.eta_min = self._number("eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, base: float, step: int) -> float:
        """Learning rate after a number of steps."""
        return cosine(base, self.eta_min, step / self.T_max)


class CosineWarmupLR(LRScheduler):
    """A linear rise to the rate, then half a period of the cosine to `eta_min`.

    Parameters
    ----------
    optimizer : Optimizer
    total_steps : int
        After these the rate stays at `eta_min`.
    warmup_steps : int
        Of these; the rate is ``base * (step + 1) / (warmup_steps + 1)`` in them, so
        that the first step moves too.
    eta_min : float, default 0.0

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or none.

    References
    ----------
    P. Goyal et al., "Accurate, Large Minibatch SGD", 2017,
    https://arxiv.org/abs/1706.02677, section 2.2 (warm-up).

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=1.0)
    >>> schedule = optim.lr_scheduler.CosineWarmupLR(opt, 7, warmup_steps=3)
    >>> rates = [opt.lr]
    >>> for _ in range(7):
    ...     schedule.step()
    ...     rates.append(round(opt.lr, 3))
    >>> rates
    [0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        warmup_steps: int,
        eta_min: float = 0.0,
    ) -> None:
        self.total_steps = self._count("total_steps", total_steps)
        self.warmup_steps = self._count("warmup_steps", warmup_steps, 0)
        if warmup_steps >= total_steps:
            raise ValueError(
                f"CosineWarmupLR: warmup_steps must be below total_steps={total_steps}"
                f", got {warmup_steps}"
            )
        self.eta_min = self._number("eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, base: float, step: int) -> float:
        """Learning rate after a number of steps."""
        if step < self.warmup_steps:
            return base * (step + 1) / (self.warmup_steps + 1)
        left = self.total_steps - self.warmup_steps
        done = min((step - self.warmup_steps) / left, 1.0)
        return cosine(base, self.eta_min, done)


def cosine(start: float, end: float, done: float) -> float:
    """Half a period of the cosine from `start` to `end`.

    Parameters
    ----------
    start, end : float
    done : float
        0 at the start, 1 at the end.

    Returns
    -------
    float
    """
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
