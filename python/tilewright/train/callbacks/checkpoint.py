"""Checkpoints of a run: the last few, and the best."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from tilewright.extras import require
from tilewright.kernels import checks
from tilewright.train.callbacks.callback import Callback
from tilewright.train.callbacks.monitor import Monitor
from tilewright.train.checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from tilewright.train.run import Run


class Checkpoint(Callback):
    """Saves all that a run needs to go on to the same bits.

    ``checkpoint.safetensors`` is the latest, ``checkpoint-1.safetensors`` the one
    before it, and so on. It is written after each epoch, when Ctrl-C ends the run, and
    within epochs where asked for. ``fit(..., resume=True)`` goes on from the latest
    that is not damaged.

    Parameters
    ----------
    folder : path
    keep : int, default 2
        How many of the latest are kept.
    every_batches : int, optional
        Save within epochs too, after each so many batches.
    monitor : str, optional
        A name of the history, such as ``"val_loss"``: the checkpoint of the epoch in
        which it was best is kept as ``best.safetensors``.
    mode : {"auto", "min", "max"}, default "auto"
        What is better; "auto" takes more of accuracies and the like, else less.

    Raises
    ------
    ValueError
        If a number is below 1 or there is no such mode.
    ImportError
        If safetensors is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters()))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep = tw.train.Checkpoint(folder, keep=2, monitor="loss")
    ...     _ = trainer.fit(
    ...         (np.ones((4, 2), np.float32), np.zeros(4, int)), epochs=3,
    ...         verbose=False, callbacks=[keep])
    ...     sorted(os.listdir(folder))
    ['best.safetensors', 'checkpoint-1.safetensors', 'checkpoint.safetensors']
    """

    # After everything whose state it saves.
    priority: ClassVar[int] = 10

    def __init__(
        self,
        folder: str | os.PathLike[str],
        keep: int = 2,
        every_batches: int | None = None,
        monitor: str | None = None,
        mode: str = "auto",
    ) -> None:
        # Told now, not after an epoch.
        require("safetensors", extra="train")
        self.store = CheckpointStore(folder, keep)
        if every_batches is not None:
            checks.integer("Checkpoint", "every_batches", every_batches, 1)
        self.every_batches = every_batches
        self.monitor = None
        if monitor is not None:
            self.monitor = Monitor("Checkpoint", monitor, mode)

    def on_fit_begin(self, run: Run) -> None:
        """Take away what a killed run has left half-written."""
        self.store.sweep()

    def on_batch_end(self, run: Run) -> None:
        """Save within an epoch, where it is asked for."""
        if (
            self.every_batches is not None
            and run.batch % self.every_batches == 0
            and run.more
            and not run.held
        ):
            self.store.save(run.state_dict())

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """Save, and once more as the best where it is that."""
        monitor = self.monitor
        best = (
            monitor is not None
            and not monitor.waits(run)
            and monitor.improves(monitor.value(values))
        )
        state = run.state_dict()
        self.store.save(state)
        if best:
            self.store.save_best(state)

    def on_interrupt(self, run: Run) -> None:
        """Save where the run was stopped."""
        self.store.save(run.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {} if self.monitor is None else {"best": self.monitor.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        if self.monitor is not None:
            self.monitor.best = state["best"]
