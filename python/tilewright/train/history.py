"""What a training run reported, epoch by epoch."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tilewright.atomic import write_atomic
from tilewright.extras import require


class History:
    """Loss and metrics of each epoch.

    Attributes
    ----------
    history : dict of str to list of float
        One value an epoch: ``loss``, the metrics, and the same of the validation
        data with ``val_`` before the name.
    seconds : list of float
        Duration of each epoch without validation.
    interrupted : bool
        Whether the run was ended by Ctrl-C before its last epoch.
    stopped : str or None
        Why a callback ended the run before its last epoch.

    Examples
    --------
    >>> from tilewright.train import History
    >>> history = History()
    >>> history.append({"loss": 0.5, "val_loss": 0.6}, seconds=1.0)
    >>> history.history
    {'loss': [0.5], 'val_loss': [0.6]}
    >>> history.epochs
    1
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.seconds: list[float] = []
        self.interrupted = False
        self.stopped: str | None = None

    @property
    def epochs(self) -> int:
        """Number of complete epochs."""
        return len(self.seconds)

    def append(self, values: dict[str, float], seconds: float) -> None:
        """Add an epoch.

        Parameters
        ----------
        values : dict of str to float
        seconds : float
            How long the epoch took.

        Notes
        -----
        A name that is new after the first epoch (validation data given on resuming)
        has NaN for the epochs before, so that each list has one value an epoch.
        """
        for name in {**self.history, **values}:
            column = self.history.setdefault(name, [float("nan")] * self.epochs)
            column.append(float(values.get(name, float("nan"))))
        self.seconds.append(float(seconds))

    def state_dict(self) -> dict[str, Any]:
        """The whole history, ready for JSON."""
        return {
            "history": {name: list(column) for name, column in self.history.items()},
            "seconds": list(self.seconds),
            "interrupted": self.interrupted,
            "stopped": self.stopped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the history of `state_dict`.

        Parameters
        ----------
        state : dict
        """
        self.history = {name: list(col) for name, col in state["history"].items()}
        self.seconds = list(state["seconds"])
        self.interrupted = bool(state["interrupted"])
        self.stopped = state.get("stopped")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the history as JSON (NaN as Python's json writes it).

        Parameters
        ----------
        path : path
        """
        text = json.dumps(self.state_dict(), indent=2) + "\n"
        write_atomic(Path(path), text.encode())

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw each value over the epochs, training and validation together.

        Parameters
        ----------
        path : path, optional
            Image file to write, in the format of its suffix.

        Returns
        -------
        matplotlib.figure.Figure
            Shown by a notebook by itself; independent of pyplot and of a display.

        Raises
        ------
        ImportError
            If Matplotlib is not installed.
        ValueError
            If there is no complete epoch.
        """
        if not self.history:
            raise ValueError("History.plot: there is no complete epoch to draw")
        figure_module = require("matplotlib.figure", extra="train")
        names = [name for name in self.history if not name.startswith("val_")]
        figure = figure_module.Figure(
            figsize=(5 * len(names), 3.5), layout="constrained"
        )
        axes = figure.subplots(1, len(names), squeeze=False)[0]
        epochs = range(1, self.epochs + 1)
        for axis, name in zip(axes, names, strict=True):
            axis.plot(epochs, self.history[name], marker="o", label="training")
            validation = self.history.get(f"val_{name}")
            if validation is not None:
                axis.plot(epochs, validation, marker="o", label="validation")
            axis.set_xlabel("epoch")
            axis.set_ylabel(name)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(alpha=0.3)
            axis.legend()
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    def __repr__(self) -> str:
        last = {name: round(column[-1], 4) for name, column in self.history.items()}
        ended = ", interrupted" if self.interrupted else ""
        if self.stopped:
            ended += ", stopped"
        return f"History(epochs={self.epochs}{ended}, last={last})"
