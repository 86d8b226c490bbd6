"""What a callback is: functions that a run calls at its turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from tilewright.train.run import Run


class Callback:
    """Base of callbacks: each method is called at one turn of a run.

    A subclass defines those it needs; the others cost nothing. What it gathers goes
    into checkpoints by `state_dict`.

    Attributes
    ----------
    priority : int
        Callbacks of lower priority are called first, at the end of a run last; among
        equal ones the order of the list holds.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> class Announce(tw.train.Callback):
    ...     def on_epoch_end(self, run, values):
    ...         print("epoch", run.history.epochs, "of", run.epochs)
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters()))
    >>> _ = trainer.fit(
    ...     (np.ones((4, 2), np.float32), np.zeros(4, int)), epochs=2,
    ...     callbacks=[Announce()], verbose=False)
    epoch 1 of 2
    epoch 2 of 2
    """

    priority: ClassVar[int] = 0

    def on_fit_begin(self, run: Run) -> None:
        """The run begins; where it is resumed, its state is already there."""

    def on_epoch_begin(self, run: Run) -> None:
        """An epoch, or the rest of one, begins."""

    def on_gradients(self, run: Run) -> bool | None:
        """The gradients of a batch are there, and the weights not yet moved.

        Returns
        -------
        bool or None
            False holds the optimizer's step back, and the callbacks after this one.

        Notes
        -----
        Where a callback defines this, steps are not replayed by `compile_step`.
        """
        return None

    def on_batch_end(self, run: Run) -> None:
        """A batch is done: `run.loss` is its loss."""

    def on_validation_begin(self, run: Run) -> None:
        """The validation data is about to be evaluated."""

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """An epoch is done and in the history; `values` are its numbers."""

    def on_interrupt(self, run: Run) -> None:
        """Ctrl-C has ended the run within an epoch, between two steps."""

    def on_fit_end(self, run: Run) -> None:
        """The run is over, for whatever reason, exceptions among them."""

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on: plain values and arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Parameters
        ----------
        state : dict
        """
