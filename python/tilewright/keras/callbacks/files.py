"""Callbacks that write files: the table, event files, models."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from tilewright import train
from tilewright.keras.callbacks.callback import Callback, Logs
from tilewright.keras.callbacks.monitored import Monitored


class CSVLogger(Callback):
    """Writes a table with a row an epoch: its number, from 0, and its values.

    Parameters
    ----------
    filename : path
    separator : str, default ","
    append : bool, default False
        Whether a table that is there already is continued.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        separator: str = ",",
        append: bool = False,
    ) -> None:
        super().__init__()
        self.filename = Path(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin the table, where it does not go on."""
        self.keys = None
        if not self.append:
            self.filename.write_text("")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add a row."""
        values: dict[str, Any] = dict(logs or {})
        begun = self.filename.exists() and self.filename.stat().st_size > 0
        if self.keys is None:
            self.keys = sorted(values)
            if not any(name.startswith("val_") for name in values):
                # An epoch to come may be validated.
                self.keys += [f"val_{name}" for name in self.keys]
        with self.filename.open("a", newline="") as file:
            writer = csv.DictWriter(
                file,
                ["epoch", *self.keys],
                restval="NA",
                extrasaction="ignore",
                delimiter=self.sep,
            )
            if not begun:
                writer.writeheader()
            writer.writerow({"epoch": epoch, **values})


class TensorBoard(Callback):
    """Writes event files; see `tilewright.train.TensorBoard`.

    Parameters
    ----------
    log_dir : path, default "logs"
    update_freq : "epoch" or int, default "epoch"
        Also write the loss of each so many batches.
    **others
        Of no effect: graphs, histograms, images and profiles are not written.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        update_freq: str | int = "epoch",
        **others: Any,
    ) -> None:
        super().__init__()
        every = update_freq if isinstance(update_freq, int) else None
        self.native = train.TensorBoard(log_dir, every)

    def natives(self) -> list[train.Callback]:
        """The one of ours."""
        return [self.native]


class ModelCheckpoint(Monitored):
    """Saves the model, or its weights, after epochs.

    Parameters
    ----------
    filepath : path
        May name the epoch and its numbers: ``"{epoch:02d}-{val_loss:.2f}.keras"``.
        Its folder is made where it is missing.
    monitor : str, default "val_loss"
    verbose : int, default 0
        1 prints what is saved.
    save_best_only : bool, default False
        Whether to save only where the number is the best so far.
    save_weights_only : bool, default False
    mode : {"auto", "min", "max"}, default "auto"
    save_freq : "epoch" or int, default "epoch"
        Save after each so many batches instead.
    initial_value_threshold : float, optional
        What the first number has to be better than.

    Raises
    ------
    ValueError
        If `save_freq` is something else.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        if save_freq != "epoch" and not (isinstance(save_freq, int) and save_freq > 0):
            raise ValueError(
                "ModelCheckpoint: save_freq must be 'epoch' or a number of batches, "
                f"got {save_freq!r}"
            )
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._epoch = self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the number."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save, where batches count."""
        if self.save_freq == "epoch":
            return
        self._batches += 1
        if self._batches == self.save_freq:
            self._batches = 0
            self._save(self._epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save, where epochs count."""
        if self.save_freq == "epoch":
            self._save(epoch, dict(logs or {}))

    def _save(self, epoch: int, values: dict[str, Any]) -> None:
        if self.save_best_only:
            value = self.current(values)
            if value is not None:
                if not self.improves(value, self.best):
                    return
                self.best = value
        path = Path(self.filepath.format(epoch=epoch + 1, **values))
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        self.say(self.verbose, epoch, f"saved to {path}")

    def natives(self) -> list[train.Callback]:
        """One that looks at batches only where they count."""
        (adapter,) = super().natives()
        adapter._looks_at_batches = self.save_freq != "epoch"  # type: ignore[attr-defined]
        return [adapter]
