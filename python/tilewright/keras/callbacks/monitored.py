"""Callbacks that watch a number of the history, as Keras does it."""

from __future__ import annotations

import warnings
from typing import Any

from tilewright.keras.callbacks.callback import Callback, Logs
from tilewright.train.callbacks.monitor import Monitor


class Monitored(Callback):
    """A callback that knows the best value of a number so far.

    Parameters
    ----------
    monitor : str
        Of the logs, such as "val_loss".
    mode : {"auto", "min", "max"}
    min_delta : float, default 0
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0) -> None:
        super().__init__()
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self._sign = Monitor(type(self).__name__, monitor, mode, self.min_delta).sign
        self.best: float | None = None

    def current(self, logs: Logs | None) -> float | None:
        """The number of this epoch, or None with a warning where there is none."""
        values = logs or {}
        if self.monitor in values:
            return values[self.monitor]
        warnings.warn(
            f"{type(self).__name__}: monitor={self.monitor!r} is not among the values "
            f"of the epoch, {', '.join(values)}",
            stacklevel=2,
        )
        return None

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value is better than another one; everything is than None."""
        if best is None:
            return True
        return self._sign * value - self.min_delta > self._sign * best

    def say(self, verbose: int, epoch: int, text: str) -> None:
        """Print a line of an epoch, where it is wanted."""
        if verbose:
            print(f"\nEpoch {epoch + 1}: {text}")


class EarlyStopping(Monitored):
    """Ends training when a number has not become better for some epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
    min_delta : float, default 0
        By how much it has to be better.
    patience : int, default 0
        Epochs without improvement after which training ends.
    verbose : int, default 0
        1 prints when it ends.
    mode : {"auto", "min", "max"}, default "auto"
    baseline : float, optional
        What has to be reached within the patience.
    restore_best_weights : bool, default False
        Whether the model ends with the weights of its best epoch.
    start_from_epoch : int, default 0
        Epochs before the number is looked at.

    Attributes
    ----------
    best : float
    best_epoch, stopped_epoch : int
        Counted from 0; the latter is 0 where it did not end training.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget an earlier run."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights: list[Any] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the number."""
        value = self.current(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        better = self.improves(value, self.best)
        if self.restore_best_weights and (better or self.best_weights is None):
            self.best_weights = self.model.get_weights()
            self.best_epoch = epoch
        self.wait += 1
        if better:
            self.best, self.best_epoch = value, epoch
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Go back to the best weights."""
        if self.stopped_epoch:
            self.say(self.verbose, self.stopped_epoch, "early stopping")
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Monitored):
    """Smaller rates where a number stops getting better.

    Parameters
    ----------
    monitor : str, default "val_loss"
    factor : float, default 0.1
    patience : int, default 10
    verbose : int, default 0
        1 prints when the rate is reduced.
    mode : {"auto", "min", "max"}, default "auto"
    min_delta : float, default 1e-4
    cooldown : int, default 0
    min_lr : float, default 0.0

    Raises
    ------
    ValueError
        If factor is not below 1.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be < 1, got {factor}")
        super().__init__(monitor, mode, min_delta)
        self.factor, self.patience = factor, patience
        self.verbose = verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget earlier values."""
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the number, and reduce the rate where it is time."""
        optimizer = self.model.optimizer
        values = {} if logs is None else logs
        values["learning_rate"] = optimizer.rate()
        value = self.current(values)
        if value is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
            return
        if self.cooldown_counter:
            return
        self.wait += 1
        if self.wait >= self.patience and optimizer.rate() > self.min_lr:
            rate = max(optimizer.rate() * self.factor, self.min_lr)
            optimizer.learning_rate = rate
            self.cooldown_counter, self.wait = self.cooldown, 0
            self.say(self.verbose, epoch, f"reducing learning rate to {rate}")
