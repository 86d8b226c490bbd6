"""Event files that TensorBoard shows, written by its own library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tilewright.extras import require
from tilewright.kernels import checks
from tilewright.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from tilewright.train.run import Run


class TensorBoard(Callback):
    """Writes the numbers of each epoch, and the learning rate, as scalars.

    Values of the training data go to ``train`` below the folder and those of the
    validation data to ``validation``, under the same tags, so that TensorBoard draws
    them into one picture: ``epoch_loss``, ``epoch_accuracy``, ``learning_rate``, and
    ``batch_loss`` where asked for.

    Parameters
    ----------
    log_dir : path
    every_batches : int, optional
        Also write the loss of each so many batches.

    Raises
    ------
    ValueError
        If `every_batches` is below 1.
    ImportError
        If TensorBoard is not installed (the extra ``tensorboard``).

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters()))
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +SKIP
    ...     _ = trainer.fit(
    ...         (np.ones((4, 2), np.float32), np.zeros(4, int)), verbose=False,
    ...         callbacks=[tw.train.TensorBoard(folder)])
    """

    # After what may change the numbers.
    priority: ClassVar[int] = 5

    def __init__(
        self, log_dir: str | os.PathLike[str], every_batches: int | None = None
    ) -> None:
        # Told now, not after an epoch.
        require("tensorboard.summary", extra="tensorboard")
        self.log_dir = Path(log_dir)
        if every_batches is not None:
            checks.integer("TensorBoard", "every_batches", every_batches, 1)
        self.every_batches = every_batches
        self._batches = 0
        self._writers: dict[str, Any] = {}

    def _add(self, part: str, tag: str, value: float, step: int) -> None:
        if part not in self._writers:
            summary = require("tensorboard.summary", extra="tensorboard")
            self._writers[part] = summary.Writer(str(self.log_dir / part))
        self._writers[part].add_scalar(tag, value, step)

    def on_fit_begin(self, run: Run) -> None:
        """Count the batches from those of the epochs before."""
        self._batches = run.epoch * (run.batches or 0) + run.batch

    def on_batch_end(self, run: Run) -> None:
        """Write the loss of a batch, where it is asked for."""
        if self.every_batches is not None:
            self._batches += 1
            step = self._batches
            if step % self.every_batches == 0:
                self._add("train", "batch_loss", run.loss, step)

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """Write the numbers of the epoch."""
        for name, value in values.items():
            part = "validation" if name.startswith("val_") else "train"
            tag = "epoch_" + name.removeprefix("val_")
            self._add(part, tag, value, run.epoch)
        self._add("train", "learning_rate", run.optimizer.lr, run.epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_fit_end(self, run: Run) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
