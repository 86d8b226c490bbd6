"""An end to training that does not help any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilewright.kernels import checks
from tilewright.train.callbacks.callback import Callback
from tilewright.train.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from tilewright.train.run import Run


class EarlyStopping(Callback):
    """Ends the run when a number has not become better for some epochs.

    Parameters
    ----------
    monitor : str, default "val_loss"
        A name of the history.
    patience : int, default 0
        Epochs without improvement after which the run ends; 0 is as 1.
    min_delta : float, default 0.0
        By how much the number has to be better.
    mode : {"auto", "min", "max"}, default "auto"
        What is better; "auto" takes more of accuracies and the like, else less.
    restore_best_weights : bool, default True
        Whether the model ends with the weights of its best epoch, however the run
        ended.
    start_from_epoch : int, default 0
        Epochs before the number is looked at.

    Attributes
    ----------
    best_epoch : int
        Counted from 1; 0 before the first.

    Raises
    ------
    ValueError
        If a number is out of range or there is no such mode.

    References
    ----------
    L. Prechelt, "Early Stopping - But When?", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters(), lr=0.0))
    >>> history = trainer.fit(
    ...     (np.ones((4, 2), np.float32), np.zeros(4, int)), epochs=50, verbose=False,
    ...     callbacks=[tw.train.EarlyStopping("loss", patience=2)])
    >>> history.epochs
    3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 0,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
    ) -> None:
        name = "EarlyStopping"
        self.monitor = Monitor(name, monitor, mode, min_delta)
        self.patience = checks.integer(name, "patience", patience, 0)
        self.start_from_epoch = checks.integer(
            name, "start_from_epoch", start_from_epoch, 0
        )
        self.restore_best_weights = restore_best_weights
        self.waited = 0
        self.best_epoch = 0
        self._weights: dict[str, Any] | None = None
        self._resumed = False

    def on_fit_begin(self, run: Run) -> None:
        """Begin anew, or stop at once where the run before had to."""
        if not self._resumed:
            monitor = self.monitor
            monitor.best = -monitor.sign * float("inf")
            self.waited = self.best_epoch = 0
            self._weights = None
        self._resumed = False
        self._stop_where_due(run)

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """Look at the number."""
        if run.epoch <= self.start_from_epoch or self.monitor.waits(run):
            return
        if self.monitor.improves(self.monitor.value(values)):
            self.waited = 0
            self.best_epoch = run.epoch
            if self.restore_best_weights:
                self._weights = run.model.state_dict()
            return
        self.waited += 1
        self._stop_where_due(run)

    def _stop_where_due(self, run: Run) -> None:
        if self.waited > max(self.patience - 1, 0):
            run.stop(
                f"{self.monitor.name} has not improved on {self.monitor.best:.6g} "
                f"since epoch {self.best_epoch}"
            )

    def on_fit_end(self, run: Run) -> None:
        """Go back to the best weights."""
        if self.restore_best_weights and self._weights is not None:
            run.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """The best value and its weights."""
        return {
            "best": self.monitor.best,
            "waited": self.waited,
            "best_epoch": self.best_epoch,
            "weights": self._weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.monitor.best = state["best"]
        self.waited = state["waited"]
        self.best_epoch = state["best_epoch"]
        self._weights = state["weights"]
        self._resumed = True
