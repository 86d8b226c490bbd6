"""Callbacks between a run and its numbers: rates set by hand, an end before a NaN."""

from __future__ import annotations

from collections.abc import Callable

from tilewright import train
from tilewright.keras.callbacks.callback import Callback, Logs


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch.

    Parameters
    ----------
    schedule : callable
        Of (epoch, rate), epochs counted from 0, to a rate; or of the epoch alone.
    verbose : int, default 0
        1 prints each rate.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set it."""
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, optimizer.rate())
        except TypeError:  # a function of the epoch alone
            rate = self.schedule(epoch)
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: setting learning rate to {float(rate)}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Put it into the history."""
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.rate()


class TerminateOnNaN(Callback):
    """Ends training before a NaN reaches the weights; see `tilewright.train`.

    The epoch is not in the history: Keras's ends it after the step.
    """

    def natives(self) -> list[train.Callback]:
        """The one of ours."""
        return [train.StopOnNaN()]
