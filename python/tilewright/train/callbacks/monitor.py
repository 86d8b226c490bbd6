"""A number of the history that is watched: which values are better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tilewright.kernels import checks

if TYPE_CHECKING:
    from tilewright.train.run import Run

_LARGER_IS_BETTER = ("accuracy", "auc", "f1", "precision", "recall", "acc")


class Monitor:
    """The best value of a number so far.

    Parameters
    ----------
    caller : str
        Named in errors.
    name : str
        In the history, such as ``"val_loss"``.
    mode : {"auto", "min", "max"}
        What is better; by default more for accuracies and the like, else less.
    min_delta : float, default 0.0
        By how much a value has to be better.

    Attributes
    ----------
    best : float

    Raises
    ------
    ValueError
        If there is no such mode, or `min_delta` is negative.

    Examples
    --------
    >>> from tilewright.train.callbacks.monitor import Monitor
    >>> monitor = Monitor("EarlyStopping", "val_accuracy")
    >>> [monitor.improves(value) for value in (0.8, 0.7, 0.9)]
    [True, False, True]
    """

    def __init__(
        self, caller: str, name: str, mode: str = "auto", min_delta: float = 0.0
    ) -> None:
        checks.choice(caller, "mode", mode, ("auto", "min", "max"))
        if mode == "auto":
            larger = any(word in name for word in _LARGER_IS_BETTER)
            mode = "max" if larger else "min"
        self.caller = caller
        self.name = name
        self.sign = 1.0 if mode == "max" else -1.0
        self.min_delta = checks.number(caller, "min_delta", min_delta)
        self.best = -self.sign * math.inf

    def value(self, values: dict[str, float]) -> float:
        """The number among those of an epoch.

        Parameters
        ----------
        values : dict of str to float

        Raises
        ------
        ValueError
            If it is not there.
        """
        if self.name not in values:
            hint = ""
            if self.name.startswith("val_"):
                hint = "; give fit validation_data"
            raise ValueError(
                f"{self.caller}: monitor={self.name!r} is not among the values of the "
                f"epoch, {', '.join(values)}{hint}"
            )
        return values[self.name]

    def waits(self, run: Run) -> bool:
        """Whether the number is of validations, and this epoch goes without.

        Parameters
        ----------
        run : Run
        """
        return run.skips_validation and self.name.startswith("val_")

    def improves(self, value: float) -> bool:
        """Whether a value is better than the best so far, which it then is."""
        if self.sign * value - self.min_delta > self.sign * self.best:
            self.best = value
            return True
        return False
