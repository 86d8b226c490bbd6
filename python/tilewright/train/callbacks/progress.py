"""The progress of a training run: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tilewright.extras import require
from tilewright.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from tilewright.train.run import Run

_LIVE_SECONDS = 0.1
_PLAIN_SECONDS = 10.0


@dataclass
class Snapshot:
    """Where a run is, at one moment.

    Attributes
    ----------
    epoch, epochs : int
        Number of the epoch, from 1, and how many there are.
    batch : int
        Batches done in this epoch.
    batches : int or None
        How many it has, where that is known.
    values : dict of str to float
        Loss and metrics so far.
    rate : float
        Images a second.
    seconds : float
        Left to the end of the run, NaN where that is not known; after an epoch, how
        long the epoch took.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int | None
    values: dict[str, float]
    rate: float
    seconds: float


def format_seconds(seconds: float) -> str:
    """Duration in a form that is quick to read.

    Examples
    --------
    >>> [format_seconds(s) for s in (7.42, 75, 3700)]
    ['7.4 s', '1:15', '1:01:40']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_values(values: dict[str, float]) -> str:
    """Loss and metrics on one line.

    Examples
    --------
    >>> format_values({"loss": 0.25, "accuracy": 0.9375})
    'loss 0.2500  accuracy 0.9375'
    """
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


class Display:
    """Where reports go; this one shows none, and the others extend it.

    `due` is the time of the next report, so that a step pays for one comparison.
    """

    due = float("inf")

    def batch(self, snapshot: Snapshot) -> None:
        """Report within an epoch; called once `due` has passed."""

    def epoch(self, snapshot: Snapshot) -> None:
        """Report a complete epoch, validated."""

    def message(self, text: str) -> None:
        """Report anything else."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class PlainDisplay(Display):
    """A line an epoch, and one every ten seconds in between."""

    def __init__(self) -> None:
        self.due = time.perf_counter() + _PLAIN_SECONDS

    def batch(self, snapshot: Snapshot) -> None:
        """Report within an epoch."""
        self.due = time.perf_counter() + _PLAIN_SECONDS
        batches = "" if snapshot.batches is None else f"/{snapshot.batches}"
        self.message(
            f"epoch {snapshot.epoch}/{snapshot.epochs}  {snapshot.batch}{batches}  "
            + _within(snapshot)
        )

    def epoch(self, snapshot: Snapshot) -> None:
        """Report a complete epoch, validated."""
        self.message(_epoch_line(snapshot))

    def message(self, text: str) -> None:
        """Report anything else."""
        print(text, flush=True)


class LiveDisplay(Display):
    """A line that is rewritten ten times a second, by Rich."""

    def __init__(self, console: Any) -> None:
        rich = require("rich.progress", extra="train")
        # Refreshed from the training loop: a refresh thread would hold the
        # interpreter lock when a step wants it.
        self._progress = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(bar_width=None),
            rich.TextColumn("{task.fields[text]}"),
            console=console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("", text="", total=None)
        self._progress.start()
        self.due = 0.0

    def batch(self, snapshot: Snapshot) -> None:
        """Report within an epoch."""
        self._progress.update(
            self._task,
            description=f"epoch {snapshot.epoch}/{snapshot.epochs}",
            completed=snapshot.batch,
            total=snapshot.batches,
            text=_within(snapshot),
            refresh=True,
        )
        self.due = time.perf_counter() + _LIVE_SECONDS

    def epoch(self, snapshot: Snapshot) -> None:
        """Report a complete epoch, validated."""
        self.message(_epoch_line(snapshot))

    def message(self, text: str) -> None:
        """Report anything else."""
        self._progress.console.print(text, highlight=False, markup=False)

    def close(self) -> None:
        """Take the live line away."""
        self._progress.stop()


class Progress(Callback):
    """Reports how far the run is: what `fit` does by itself unless told otherwise.

    In a terminal, and in a notebook that can show it, a live line by Rich; plain lines
    elsewhere.

    Parameters
    ----------
    display : Display, optional
        By default the kind that fits where the output goes.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> from tilewright.train.callbacks.progress import PlainDisplay
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters()))
    >>> data = np.ones((4, 2), np.float32), np.zeros(4, int)
    >>> _ = trainer.fit(data, callbacks=[tw.train.Progress(PlainDisplay())]
    ...     )  # doctest: +ELLIPSIS
    epoch 1/1  loss ...  accuracy ...  ... images/s  ...
    """

    # After everything else: what it says has happened.
    priority: ClassVar[int] = 20

    def __init__(self, display: Display | None = None) -> None:
        self._given = display
        self._display = display or Display()

    def on_fit_begin(self, run: Run) -> None:
        """Choose where to report."""
        self._display = self._given or make_display()

    def on_batch_end(self, run: Run) -> None:
        """Report within an epoch, from time to time."""
        if time.perf_counter() >= self._display.due:
            rate, batches = run.rate, run.batches
            left = math.nan
            if batches is not None:
                left = (run.epochs - run.epoch) * batches - run.batch
            snapshot = Snapshot(
                epoch=run.epoch + 1,
                epochs=run.epochs,
                batch=run.batch,
                batches=batches,
                values=run.means.means(),
                rate=rate,
                seconds=left * run.means.samples / run.batch / rate,
            )
            self._display.batch(snapshot)

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """Report the epoch."""
        done, batches = run.epoch, run.batches
        seconds = run.history.seconds[-1]
        self._display.epoch(
            Snapshot(done, run.epochs, batches or 0, batches, values, run.rate, seconds)
        )

    def on_fit_end(self, run: Run) -> None:
        """Take the live line away, and say why the run has ended early."""
        self._display.close()
        history = run.history
        if history.interrupted:
            self._display.message(f"interrupted after {history.epochs} full epochs")
        elif history.stopped:
            self._display.message(f"stopped: {history.stopped}")


def make_display() -> Display:
    """The kind of report that fits where the output goes.

    Returns
    -------
    Display
        Live in a terminal, or in a notebook with ipywidgets, where Rich is installed;
        plain lines otherwise.
    """
    try:
        console = require("rich.console", extra="train").Console()
    except ImportError:
        return PlainDisplay()
    if console.is_jupyter:
        # Rich draws a live line there by ipywidgets alone.
        try:
            require("ipywidgets", extra="train")
        except ImportError:
            return PlainDisplay()
        return LiveDisplay(console)
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        return PlainDisplay()
    return LiveDisplay(console)


def _within(snapshot: Snapshot) -> str:
    """The numbers of a report within an epoch."""
    seconds = snapshot.seconds
    left = "" if math.isnan(seconds) else f"  {format_seconds(seconds)} left"
    values = format_values(snapshot.values)
    return f"{values}  {snapshot.rate:,.0f} images/s{left}"


def _epoch_line(snapshot: Snapshot) -> str:
    return (
        f"epoch {snapshot.epoch}/{snapshot.epochs}  {format_values(snapshot.values)}  "
        f"{snapshot.rate:,.0f} images/s  {format_seconds(snapshot.seconds)}"
    )
