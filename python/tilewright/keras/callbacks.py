"""Callbacks under their Keras names; most stand for one of `tilewright.train`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright import train
from tilewright.train.callbacks.monitor import Monitor
from tilewright.train.run import Run

if TYPE_CHECKING:
    from tilewright.keras.models import Model

Logs = dict[str, float]


class Callback:
    """Base of callbacks, with Keras's methods.

    Attributes
    ----------
    model : Model
        Its ``stop_training = True`` ends the run after the epoch.
    """

    model: Model

    def set_model(self, model: Model) -> None:
        """Told which model is trained."""
        self.model = model

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

    def natives(self) -> list[train.Callback]:
        """What the run takes for it."""
        return [_Adapter(self)]


class _Adapter(train.Callback):
    """Calls a callback of Keras's form at the turns of a run of ours."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        kind = type(callback)
        self._looks_at_batches = (
            kind.on_train_batch_begin is not Callback.on_train_batch_begin
            or kind.on_train_batch_end is not Callback.on_train_batch_end
        )

    def on_fit_begin(self, run: Run) -> None:
        """Training begins."""
        self._callback.on_train_begin({})

    def on_epoch_begin(self, run: Run) -> None:
        """An epoch begins."""
        self._callback.on_epoch_begin(run.history.epochs, {})
        if self._looks_at_batches:
            self._callback.on_train_batch_begin(0, {})

    def on_batch_end(self, run: Run) -> None:
        """A batch is over."""
        if self._looks_at_batches:
            self._callback.on_train_batch_end(run.batch - 1, run.means.means())
            if run.batch < run.batches:
                self._callback.on_train_batch_begin(run.batch, {})

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """An epoch is over."""
        callback = self._callback
        callback.on_epoch_end(run.history.epochs - 1, dict(values))
        if getattr(callback, "model", None) and callback.model.stop_training:
            run.stop(f"{type(callback).__name__} has ended it")

    def on_fit_end(self, run: Run) -> None:
        """Training is over."""
        self._callback.on_train_end({})


class _Native(Callback):
    """A callback that is one of ours."""

    native: train.Callback

    def natives(self) -> list[train.Callback]:
        """The one of ours."""
        return [self.native]


class EarlyStopping(_Native):
    """Ends training when a number has not become better for some epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
    min_delta : float, default 0
    patience : int, default 0
    verbose : int, default 0
        Of no effect: the progress report says why training has ended.
    mode : {"auto", "min", "max"}, default "auto"
    restore_best_weights : bool, default False
    start_from_epoch : int, default 0
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        if baseline is not None:
            raise ValueError("EarlyStopping: baseline must be None")
        self.native = train.EarlyStopping(
            monitor, patience, abs(min_delta), mode, restore_best_weights,
            start_from_epoch,
        )  # fmt: skip

    @property
    def best(self) -> float:
        """The best value so far."""
        assert isinstance(self.native, train.EarlyStopping)
        return self.native.monitor.best


class CSVLogger(_Native):
    """Writes a table with a row an epoch; see `tilewright.train.CSVLog`.

    Parameters
    ----------
    filename : path
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        self.native = train.CSVLog(filename)


class TensorBoard(_Native):
    """Writes event files; see `tilewright.train.TensorBoard`.

    Parameters
    ----------
    log_dir : path, default "logs"
    update_freq : "epoch" or int, default "epoch"
        Also write the loss of each so many batches.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        update_freq: str | int = "epoch",
        **others: Any,
    ) -> None:
        every = update_freq if isinstance(update_freq, int) else None
        self.native = train.TensorBoard(log_dir, every)


class TerminateOnNaN(_Native):
    """Ends training before a NaN reaches the weights; see `tilewright.train`."""

    def __init__(self) -> None:
        self.native = train.StopOnNaN()


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch.

    Parameters
    ----------
    schedule : callable
        Of (epoch, rate), epochs counted from 0, to a rate.
    verbose : int, default 0
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set it."""
        optimizer = self.model.optimizer
        try:
            rate = self.schedule(epoch, optimizer.rate())
        except TypeError:  # a function of the epoch alone
            rate = self.schedule(epoch)
        optimizer.learning_rate = float(rate)


class ReduceLROnPlateau(Callback):
    """Smaller rates where a number stops getting better.

    Parameters
    ----------
    monitor : str, default "val_loss"
    factor : float, default 0.1
    patience : int, default 10
    verbose : int, default 0
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
        self.monitor = Monitor("ReduceLROnPlateau", monitor, mode, min_delta)
        self.factor, self.patience = factor, patience
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget earlier values."""
        self.monitor.best = -self.monitor.sign * float("inf")
        self._waited = self._cooling = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the number, and reduce the rate where it is time."""
        improved = self.monitor.improves(self.monitor.value(logs or {}))
        if self._cooling:
            self._cooling -= 1
            self._waited = 0
        if improved:
            self._waited = 0
            return
        if self._cooling:
            return
        self._waited += 1
        optimizer = self.model.optimizer
        if self._waited >= self.patience and optimizer.rate() > self.min_lr:
            optimizer.learning_rate = max(optimizer.rate() * self.factor, self.min_lr)
            self._cooling, self._waited = self.cooldown, 0


class ModelCheckpoint(Callback):
    """Saves the model, or its weights, after epochs.

    Parameters
    ----------
    filepath : path
        May name the epoch and its numbers: ``"{epoch:02d}-{val_loss:.2f}.keras"``.
    monitor : str, default "val_loss"
    verbose : int, default 0
    save_best_only : bool, default False
    save_weights_only : bool, default False
    mode : {"auto", "min", "max"}, default "auto"
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
    ) -> None:
        self.filepath = os.fspath(filepath)
        self.monitor = Monitor("ModelCheckpoint", monitor, mode)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, where it is asked for."""
        values = logs or {}
        if self.save_best_only and not self.monitor.improves(
            self.monitor.value(values)
        ):
            return
        path = self.filepath.format(epoch=epoch + 1, **values)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)


class LambdaCallback(Callback):
    """Calls functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable of (epoch, logs), optional
    on_train_begin, on_train_end : callable of (logs), optional
    on_train_batch_begin, on_train_batch_end : callable of (batch, logs), optional
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        known = [name for name in dir(Callback) if name.startswith("on_")]
        for name, function in functions.items():
            if name not in known:
                raise TypeError(f"LambdaCallback: unknown turn {name!r}")
            setattr(self, name, function)

    def natives(self) -> list[train.Callback]:
        """An adapter that looks at batches too."""
        adapter = _Adapter(self)
        adapter._looks_at_batches = True
        return [adapter]


class History(Callback):
    """What `fit` returns.

    Attributes
    ----------
    history : dict of str to list of float
    epoch : list of int
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add an epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(np.float64(value)))
