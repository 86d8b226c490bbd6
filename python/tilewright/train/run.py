"""One run of training: the epochs, their report, saving and resuming."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Container, Iterator
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from tilewright import random
from tilewright.data import ArrayDataset, BatchStream, DataLoader
from tilewright.kernels import devices
from tilewright.nn import Module
from tilewright.optim import Optimizer
from tilewright.train.callbacks.callback import Callback
from tilewright.train.callbacks.gradient_clipping import GradientClipping
from tilewright.train.history import History
from tilewright.train.interrupt import StopRequest, stop_on_interrupt
from tilewright.train.losses import arrays_of, value_of
from tilewright.train.metrics import RunningMeans

if TYPE_CHECKING:
    from tilewright.train.trainer import Trainer

Loader = DataLoader | BatchStream
Data = ArrayDataset | Loader | tuple[ArrayLike, ArrayLike]


class Run:
    """One call of `fit`: where it is, and how that is saved and restored.

    Callbacks see it at each of their turns.

    Attributes
    ----------
    trainer : Trainer
    loader : DataLoader or BatchStream
        Of the training data.
    epochs : int
        How many there are to be, those before the run among them.
    initial_epoch : int
        How many there were before the run.
    history : History
        Of the epochs that are done.
    inputs : tuple
        x and y of the latest batch, each an array or a tuple of them; only where a
        callback has `on_gradients`.
    held : bool
        Whether a callback has held back the step of the latest batch.
    rate : float
        Samples a second in the epoch that is under way, or in the last one.
    """

    def __init__(
        self,
        trainer: Trainer,
        loader: Loader,
        validation: Loader | None,
        epochs: int,
        callbacks: list[Callback],
        *,
        initial_epoch: int = 0,
        validation_freq: int | Container[int] = 1,
    ) -> None:
        self.trainer = trainer
        self.loader = loader
        self.validation = validation
        self.epochs = epochs
        self.initial_epoch = initial_epoch
        self.validation_freq = validation_freq
        self.callbacks = sorted(callbacks, key=lambda each: each.priority)
        self.history = History()
        self.means = RunningMeans(trainer.metrics)
        self.inputs: tuple[Any, Any] = (None, None)
        self._loss: Any = float("nan")
        self.held = False
        self._validated = self._ended = False
        # Of the epoch under way: time before it was resumed, and since.
        self._seconds = 0.0
        self._began: float | None = None
        self._seen = 0
        self._rate = float("nan")

    @property
    def model(self) -> Module:
        """The model that is trained."""
        return self.trainer.model

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return self.trainer.optimizer

    @property
    def loss(self) -> float:
        """Loss of the latest batch; a GPU is waited for."""
        return float(self._loss)

    @property
    def batch(self) -> int:
        """Number of the latest batch in its epoch, from 1."""
        return self.loader.position

    @property
    def batches(self) -> int | None:
        """Batches in an epoch; None where the loader does not know."""
        try:
            return len(self.loader)
        except TypeError:
            return None

    @property
    def epoch(self) -> int:
        """Epochs that are done, those before the run among them."""
        return self.initial_epoch + self.history.epochs

    @property
    def more(self) -> bool:
        """Whether, as far as is known, the epoch goes on after the latest batch."""
        batches = self.batches
        return batches is None or self.batch < batches

    @property
    def skips_validation(self) -> bool:
        """Whether there is validation data, and the epoch just done goes without."""
        return self.validation is not None and not self._validated

    @property
    def rate(self) -> float:
        """Samples a second in the epoch under way, or in the one just done."""
        if self._began is not None:
            elapsed = max(time.perf_counter() - self._began, 1e-9)
            self._rate = (self.means.samples - self._seen) / elapsed
        return self._rate

    def stop(self, reason: str) -> None:
        """End the run after this turn of the callbacks.

        Parameters
        ----------
        reason : str
            Kept as `history.stopped`.
        """
        self.history.stopped = reason

    def end_epoch(self) -> None:
        """End the epoch after this turn of the callbacks, as if it had no more batches.

        What follows an epoch follows: validation, and the callbacks' `on_epoch_end`.
        """
        self._ended = True

    def execute(self) -> None:
        """Train up to the last epoch, the first Ctrl-C, or a callback's end."""
        history = self.history
        history.interrupted, history.stopped = False, None
        try:
            with stop_on_interrupt() as stop:
                for callback in self.callbacks:
                    callback.on_fit_begin(self)
                while self.epoch < self.epochs and not (
                    stop.requested or history.stopped
                ):
                    self._epoch(stop)
                history.interrupted = stop.requested
        except KeyboardInterrupt:
            # A second Ctrl-C, or one that is not ours to catch: the step may be
            # torn, so the checkpoint of the last epoch is left as it is.
            history.interrupted = True
        finally:
            for callback in reversed(self.callbacks):
                callback.on_fit_end(self)

    def _epoch(self, stop: StopRequest) -> None:
        """Train one epoch, or the rest of one, then validate and save."""
        trainer, loader, means = self.trainer, self.loader, self.means
        trainer.set_training()
        self._ended = False
        step = self._step()
        at_batch_end = [c.on_batch_end for c in self._overriding("on_batch_end")]
        batches = self.batches or math.inf
        self._seen, self._began = means.samples, time.perf_counter()
        for callback in self.callbacks:
            callback.on_epoch_begin(self)
        for x, y in trainer.batches(loader, True):
            self._loss, outputs = step(x, y)
            means.update(self._loss, outputs, y)
            for hook in at_batch_end:
                hook(self)
            if self.history.stopped:
                self._clock()
                return
            if self._ended:
                break
            if stop.requested and loader.position < batches and not self.held:
                for callback in self.callbacks:
                    callback.on_interrupt(self)
                self._clock()
                return
        self._clock()
        values = means.result()
        self._validated = self._is_due()
        if self.validation is not None and self._validated:
            for callback in self.callbacks:
                callback.on_validation_begin(self)
            scores = trainer.evaluate(self.validation)
            values.update({f"val_{name}": value for name, value in scores.items()})
        self.history.append(values, self._seconds)
        self.means, self._seconds = RunningMeans(trainer.metrics), 0.0
        for callback in self.callbacks:
            callback.on_epoch_end(self, values)

    def _is_due(self) -> bool:
        """Whether the epoch that ends now is to be validated."""
        number, when = self.epoch + 1, self.validation_freq
        return number % when == 0 if isinstance(when, int) else number in when

    def _clock(self) -> None:
        """Stop the clock of the epoch."""
        self._rate = self.rate
        if self._began is not None:
            self._seconds += time.perf_counter() - self._began
            self._began = None

    def _overriding(self, method: str) -> list[Callback]:
        """The callbacks that define a method of their own."""
        base = getattr(Callback, method)
        return [c for c in self.callbacks if getattr(type(c), method) is not base]

    def _step(self) -> Callable[[Any, Any], tuple[float, Any]]:
        """A step of training, open to callbacks only where one looks at gradients."""
        looking = self._overriding("on_gradients")
        if not looking:
            return self.trainer.train_batch
        # What only limits the gradients is part of a step that may be replayed.
        clips = [each for each in looking if type(each) is GradientClipping]
        if len(clips) == len(looking):
            return functools.partial(self._clipped_step, clips)
        return functools.partial(self._open_step, looking)

    def single_step(self, x: Any, y: Any) -> dict[str, float]:
        """One step by itself, with the callbacks' turns at it.

        Parameters
        ----------
        x, y : ndarray, shape (N, ...), or tuple of ndarray

        Returns
        -------
        dict of str to float
            Loss and metrics before the step.
        """
        means = RunningMeans(self.trainer.metrics)
        self._loss, outputs = self._step()(x, y)
        means.update(self._loss, outputs, y)
        for callback in self.callbacks:
            callback.on_batch_end(self)
        return means.result()

    def _clipped_step(
        self, callbacks: list[GradientClipping], x: Any, y: Any
    ) -> tuple[float, Any]:
        """One step, with limits on the gradients."""
        self.inputs = x, y
        clippings = tuple([callback.clipping for callback in callbacks])
        return self.trainer.clipped_batch(x, y, clippings)

    def _open_step(
        self, callbacks: list[Callback], x: Any, y: Any
    ) -> tuple[float, Any]:
        """One step, with callbacks between the gradients and the optimizer."""
        self.inputs = x, y
        loss, outputs = self.trainer.gradients(x, y)
        self._loss = value_of(loss)
        self.held = any(callback.on_gradients(self) is False for callback in callbacks)
        if not self.held:
            self.trainer.optimizer.step()
        return self._loss, arrays_of(outputs)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on to the same bits, for `save_tree`."""
        seconds = self._seconds
        if self._began is not None:
            seconds += time.perf_counter() - self._began
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random.get_state(),
            "loader": self.loader.state_dict(),
            "history": self.history.state_dict(),
            "means": self.means.state_dict(),
            "seconds": seconds,
            "callbacks": {
                name: callback.state_dict() for name, callback in self._named()
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where `state_dict` was taken.

        Parameters
        ----------
        state : dict

        Raises
        ------
        ValueError
            If it is of another model, optimizer or data; the model is then as it was.
        TypeError
            If something in it is of another type.
        """
        parts = ("model", "optimizer", "random", "loader", "history", "means")
        missing = [name for name in (*parts, "seconds") if name not in state]
        if missing:
            raise ValueError(f"checkpoint: lacks {', '.join(missing)}")
        weights = self.model.state_dict()
        try:
            # What may refuse the state comes before what changes the model.
            self.means.load_state_dict(state["means"])
            self.loader.load_state_dict(state["loader"])
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            random.set_state(state["random"])
            self.history.load_state_dict(state["history"])
            self._seconds = float(state["seconds"])
            known = state.get("callbacks", {})
            for name, callback in self._named():
                if known.get(name):
                    callback.load_state_dict(known[name])
        except (KeyError, AttributeError) as error:
            self.model.load_state_dict(weights)
            raise ValueError(f"checkpoint: its form is wrong ({error!r})") from error
        except (ValueError, TypeError):
            self.model.load_state_dict(weights)
            raise

    def _named(self) -> Iterator[tuple[str, Callback]]:
        """The callbacks with names that are the same in another process."""
        seen: dict[str, int] = {}
        for callback in self.callbacks:
            kind = type(callback).__name__
            seen[kind] = seen.get(kind, 0) + 1
            yield kind if seen[kind] == 1 else f"{kind} {seen[kind]}", callback


def as_loader(caller: str, data: Any, batch_size: int, shuffle: bool) -> Loader:
    """Loader over whatever `fit` and `evaluate` take.

    Parameters
    ----------
    caller : str
        Named in the error.
    data : ArrayDataset, DataLoader, BatchStream, or (x, y)
    batch_size : int
    shuffle : bool

    Returns
    -------
    DataLoader or BatchStream
        `data` itself, where it is one.

    Raises
    ------
    TypeError
        If `data` is of another type.
    """
    if isinstance(data, (DataLoader, BatchStream)):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        data = ArrayDataset(data[0], data[1])
    if not isinstance(data, ArrayDataset):
        raise TypeError(
            f"{caller}: data must be an ArrayDataset, a DataLoader, a BatchStream or "
            f"an (x, y) pair, got {type(data).__name__}"
        )
    return DataLoader(data, batch_size=batch_size, shuffle=shuffle)


def batches_on(loader: Any, device: str) -> Iterator[tuple[Any, Any]]:
    """The batches of a loader where the model is, whatever device it has itself.

    Parameters
    ----------
    loader : DataLoader or BatchStream
    device : str
        A checked name.
    """
    if device == devices.CPU and not getattr(loader, "device", None):
        return iter(loader)
    if isinstance(loader, BatchStream):
        return ((moved_batch(x, device), moved_batch(y, device)) for x, y in loader)
    batches: Iterator[tuple[Any, Any]] = loader.on(device)
    return batches


def moved_batch(value: Any, device: str) -> Any:
    """An array, or a tuple of them, on a checked device."""
    if isinstance(value, tuple):
        return tuple(moved_batch(each, device) for each in value)
    return devices.moved(value, device)
