"""What a callback of Keras's form is, and how a run of ours calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright import train
from tilewright.train.run import Run

if TYPE_CHECKING:
    from tilewright.keras.models import Model

Logs = dict[str, float]


class Callback:
    """Base of callbacks, with Keras's methods.

    What `on_epoch_end` puts into its logs is in the history.

    Attributes
    ----------
    model : Model
        Its ``stop_training = True`` ends the run: the epoch too, where it is set
        within one.
    params : dict
        ``epochs``, and the ``steps`` of an epoch, where they are known.
    """

    model: Model

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def set_model(self, model: Model) -> None:
        """Told which model is trained."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Told how long it is trained."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Training is over."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch, counted from 0, begins."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch is over; `logs` are its numbers."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """A batch, counted from 0, begins."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A batch is over."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """An evaluation begins, of `evaluate` or of the validation data."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """An evaluation is over."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Keras's earlier name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Keras's earlier name of `on_train_batch_end`."""

    def natives(self) -> list[train.Callback]:
        """What the run takes for it."""
        return [_Adapter(self)]


_AT_BATCHES = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_batch_begin",
    "on_batch_end",
)


class _Adapter(train.Callback):
    """Calls a callback of Keras's form at the turns of a run of ours."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        kind = type(callback)
        self._looks_at_batches = any(
            getattr(kind, name) is not getattr(Callback, name) or name in vars(callback)
            for name in _AT_BATCHES
        )
        self._logs: Logs = {}

    def on_fit_begin(self, run: Run) -> None:
        """Training begins."""
        self._callback.set_params({"epochs": run.epochs, "steps": run.batches})
        self._callback.on_train_begin({})

    def on_epoch_begin(self, run: Run) -> None:
        """An epoch begins."""
        self._callback.on_epoch_begin(run.epoch, {})
        if self._looks_at_batches:
            self._begin_batch(0)

    def _begin_batch(self, batch: int) -> None:
        self._callback.on_train_batch_begin(batch, {})
        self._callback.on_batch_begin(batch, {})

    def on_batch_end(self, run: Run) -> None:
        """A batch is over."""
        if not self._looks_at_batches:
            return
        logs = run.means.means()
        self._callback.on_train_batch_end(run.batch - 1, logs)
        self._callback.on_batch_end(run.batch - 1, logs)
        if self._has_ended():
            run.end_epoch()
        elif run.more:
            self._begin_batch(run.batch)

    def on_validation_begin(self, run: Run) -> None:
        """The validation data is about to be evaluated."""
        self._callback.on_test_begin({})

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """An epoch is over; what is put into `values` the others see too."""
        callback, start = self._callback, "val_"
        if run.validation is not None and not run.skips_validation:
            scores = {n: v for n, v in values.items() if n.startswith(start)}
            callback.on_test_end({n.removeprefix(start): scores[n] for n in scores})
        callback.on_epoch_end(run.epoch - 1, values)
        self._logs = values
        if self._has_ended():
            run.stop(f"{type(callback).__name__} has ended it")

    def _has_ended(self) -> bool:
        callback = self._callback
        return hasattr(callback, "model") and callback.model.stop_training

    def on_fit_end(self, run: Run) -> None:
        """Training is over."""
        self._callback.on_train_end(self._logs)


class LambdaCallback(Callback):
    """Calls functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable of (epoch, logs), optional
    on_train_begin, on_train_end : callable of (logs), optional
    on_train_batch_begin, on_train_batch_end : callable of (batch, logs), optional
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        super().__init__()
        known = [name for name in dir(Callback) if name.startswith("on_")]
        for name, function in functions.items():
            if name not in known:
                raise TypeError(f"LambdaCallback: unknown turn {name!r}")
            setattr(self, name, function)


class History(Callback):
    """What `fit` returns.

    Attributes
    ----------
    history : dict of str to list of float
    epoch : list of int
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(np.float64(value)))
