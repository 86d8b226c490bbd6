"""One run of training: the epochs, their report, saving and resuming."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from tilewright import random
from tilewright.data import ArrayDataset, DataLoader
from tilewright.train.checkpoint import load_tree, save_tree
from tilewright.train.history import History
from tilewright.train.interrupt import StopRequest, stop_on_interrupt
from tilewright.train.metrics import RunningMeans
from tilewright.train.progress import Progress, Snapshot, make_progress

if TYPE_CHECKING:
    from tilewright.train.trainer import Trainer

Data = ArrayDataset | DataLoader | tuple[ArrayLike, ArrayLike]


class Run:
    """One call of `fit`: where it is, and how that is saved and restored."""

    def __init__(
        self,
        trainer: Trainer,
        loader: DataLoader,
        validation: DataLoader | None,
        epochs: int,
        checkpoint: Path | None,
    ) -> None:
        self.trainer = trainer
        self.loader = loader
        self.validation = validation
        self.epochs = epochs
        self.checkpoint = checkpoint
        self.history = History()
        self.means = RunningMeans(trainer.metrics)
        self.seconds = 0.0

    def execute(self, verbose: bool) -> None:
        """Train up to the last epoch or the first Ctrl-C."""
        self.history.interrupted = False
        progress = make_progress(verbose)
        try:
            with stop_on_interrupt() as stop:
                while self.history.epochs < self.epochs and not stop.requested:
                    self._epoch(stop, progress)
                self.history.interrupted = stop.requested
        except KeyboardInterrupt:
            # A second Ctrl-C, or one that is not ours to catch: the step may be
            # torn, so the checkpoint of the last epoch is left as it is.
            self.history.interrupted = True
        finally:
            progress.close()
        if self.history.interrupted:
            progress.message(f"interrupted after {self.history.epochs} full epochs")

    def _epoch(self, stop: StopRequest, progress: Progress) -> None:
        """Train one epoch, or the rest of one, then validate and save."""
        trainer, loader, means = self.trainer, self.loader, self.means
        trainer.model.train()
        batches = len(loader)
        seen_before, seconds_before = means.samples, self.seconds
        began = time.perf_counter()
        for x, y in loader:
            loss, outputs = trainer.train_batch(x, y)
            means.update(loss, outputs, y)
            now = time.perf_counter()
            if now >= progress.due:
                rate = (means.samples - seen_before) / (now - began)
                progress.batch(self._snapshot(rate, self._left(rate)))
            if stop.requested and loader.position < batches:
                self.seconds = seconds_before + time.perf_counter() - began
                self.save()
                return
        elapsed = time.perf_counter() - began
        self.seconds = seconds_before + elapsed
        values = means.result()
        if self.validation is not None:
            scores = trainer.evaluate(self.validation)
            values.update({f"val_{name}": value for name, value in scores.items()})
        self.history.append(values, self.seconds)
        rate = (means.samples - seen_before) / max(elapsed, 1e-9)
        line = self._snapshot(rate, self.seconds)
        line.epoch, line.batch, line.values = self.history.epochs, batches, values
        self.means = RunningMeans(trainer.metrics)
        self.seconds = 0.0
        self.save()
        progress.epoch(line)

    def _snapshot(self, rate: float, seconds: float) -> Snapshot:
        return Snapshot(
            epoch=self.history.epochs + 1,
            epochs=self.epochs,
            batch=self.loader.position,
            batches=len(self.loader),
            values=self.means.result(),
            rate=rate,
            seconds=seconds,
        )

    def _left(self, rate: float) -> float:
        samples = (self.epochs - self.history.epochs) * self.loader.samples
        return (samples - self.means.samples) / rate

    def save(self) -> None:
        """Write the checkpoint, where one is asked for."""
        if self.checkpoint is None:
            return
        state = {
            "model": self.trainer.model.state_dict(),
            "optimizer": self.trainer.optimizer.state_dict(),
            "random": random.get_state(),
            "loader": self.loader.state_dict(),
            "history": self.history.state_dict(),
            "means": self.means.state_dict(),
            "seconds": self.seconds,
        }
        save_tree(self.checkpoint, state)

    def load(self) -> None:
        """Go back to where the checkpoint was written."""
        assert self.checkpoint is not None
        state = load_tree(self.checkpoint)
        # What may refuse the state comes before what changes the model.
        self.loader.load_state_dict(state["loader"])
        self.means.load_state_dict(state["means"])
        self.trainer.model.load_state_dict(state["model"])
        self.trainer.optimizer.load_state_dict(state["optimizer"])
        random.set_state(state["random"])
        self.history.load_state_dict(state["history"])
        self.seconds = state["seconds"]


def as_loader(caller: str, data: Any, batch_size: int, shuffle: bool) -> DataLoader:
    """Loader over whatever `fit` and `evaluate` take.

    Parameters
    ----------
    caller : str
        Named in the error.
    data : ArrayDataset, DataLoader, or (x, y)
    batch_size : int
    shuffle : bool

    Returns
    -------
    DataLoader
        `data` itself, where it is one.

    Raises
    ------
    TypeError
        If `data` is of another type.
    """
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        data = ArrayDataset(data[0], data[1])
    if not isinstance(data, ArrayDataset):
        raise TypeError(
            f"{caller}: data must be an ArrayDataset, a DataLoader or an (x, y) "
            f"pair, got {type(data).__name__}"
        )
    return DataLoader(data, batch_size=batch_size, shuffle=shuffle)
