"""The progress of a training run: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

from tilewright.extras import require

_LIVE_SECONDS = 0.1
_PLAIN_SECONDS = 10.0


@dataclass
class Snapshot:
    """Where a run is, at one moment.

    Attributes
    ----------
    epoch, epochs : int
        Number of the epoch, from 1, and how many there are.
    batch, batches : int
        Batches done in this epoch and how many it has.
    values : dict of str to float
        Loss and metrics so far.
    rate : float
        Images a second.
    seconds : float
        Left to the end of the run; after an epoch, how long the epoch took.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
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


class Progress:
    """Reports nothing; the others extend it.

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


class PlainProgress(Progress):
    """A line an epoch, and one every ten seconds in between."""

    def __init__(self) -> None:
        self.due = time.perf_counter() + _PLAIN_SECONDS

    def batch(self, snapshot: Snapshot) -> None:
        """Report within an epoch."""
        self.due = time.perf_counter() + _PLAIN_SECONDS
        self.message(
            f"epoch {snapshot.epoch}/{snapshot.epochs}  "
            f"{snapshot.batch}/{snapshot.batches}  {format_values(snapshot.values)}  "
            f"{snapshot.rate:,.0f} images/s  {format_seconds(snapshot.seconds)} left"
        )

    def epoch(self, snapshot: Snapshot) -> None:
        """Report a complete epoch, validated."""
        self.message(_epoch_line(snapshot))

    def message(self, text: str) -> None:
        """Report anything else."""
        print(text, flush=True)


class LiveProgress(Progress):
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
            text=(
                f"{format_values(snapshot.values)}  {snapshot.rate:,.0f} images/s  "
                f"{format_seconds(snapshot.seconds)} left"
            ),
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


def make_progress(verbose: bool) -> Progress:
    """The kind of report that fits where the output goes.

    Parameters
    ----------
    verbose : bool
        False reports nothing.

    Returns
    -------
    Progress
        Live in a terminal where Rich is installed, plain lines otherwise.
    """
    if not verbose:
        return Progress()
    if not sys.stdout.isatty():
        return PlainProgress()
    try:
        console = require("rich.console", extra="train").Console()
    except ImportError:
        return PlainProgress()
    return PlainProgress() if console.is_dumb_terminal else LiveProgress(console)


def _epoch_line(snapshot: Snapshot) -> str:
    return (
        f"epoch {snapshot.epoch}/{snapshot.epochs}  {format_values(snapshot.values)}  "
        f"{snapshot.rate:,.0f} images/s  {format_seconds(snapshot.seconds)}"
    )
