"""A learning-rate schedule, stepped by the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.kernels import checks
from tilewright.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from tilewright.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from tilewright.train.run import Run


class LearningRateSchedule(Callback):
    """Steps a schedule after every epoch, or after every batch.

    Parameters
    ----------
    schedule : LRScheduler
        Of `tilewright.optim.lr_scheduler`, over the trainer's optimizer.
    every : {"epoch", "batch"}, default "epoch"
    monitor : str, default "val_loss"
        What `ReduceLROnPlateau` goes by; the training loss where there is no
        validation.

    Raises
    ------
    ValueError
        If `every` is something else.
    TypeError
        If it is given no schedule.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> optimizer = tw.optim.SGD(model.parameters(), lr=1.0)
    >>> halve = tw.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    >>> _ = tw.Trainer(model, optimizer).fit(
    ...     (np.ones((4, 2), np.float32), np.zeros(4, int)), epochs=3, verbose=False,
    ...     callbacks=[tw.train.LearningRateSchedule(halve)])
    >>> optimizer.lr
    0.125
    """

    def __init__(
        self, schedule: LRScheduler, every: str = "epoch", monitor: str = "val_loss"
    ) -> None:
        name = "LearningRateSchedule"
        if not isinstance(schedule, LRScheduler):
            raise TypeError(
                f"{name}: schedule must be an LRScheduler of optim.lr_scheduler, got "
                f"{type(schedule).__name__}"
            )
        self.schedule = schedule
        self.every = checks.choice(name, "every", every, ("epoch", "batch"))
        self.monitor = monitor
        if self.every == "batch" and isinstance(schedule, ReduceLROnPlateau):
            raise ValueError(f"{name}: ReduceLROnPlateau goes by epochs, not batches")

    def on_fit_begin(self, run: Run) -> None:
        """See that it is the trainer's optimizer whose rates are set."""
        if self.schedule.optimizer is not run.optimizer:
            raise ValueError(
                "LearningRateSchedule: the schedule is of another optimizer than the "
                "trainer's"
            )

    def on_batch_end(self, run: Run) -> None:
        """Step, where a step was done and it is batches that count."""
        if self.every == "batch" and not run.held:
            self.schedule.step()

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """Step, where it is epochs that count."""
        if isinstance(self.schedule, ReduceLROnPlateau):
            if run.skips_validation and self.monitor.startswith("val_"):
                return
            name = self.monitor if self.monitor in values else "loss"
            self.schedule.step(values[name])
        elif self.every == "epoch":
            self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule is."""
        return self.schedule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.schedule.load_state_dict(state)
