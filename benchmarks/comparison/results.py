"""What a comparison found, and its form as JSON."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tilewright.atomic import write_atomic
from tilewright.bench.contestants import OURS

SCHEMA = "tilewright benchmarks 1"
LOSS_TOLERANCE = 1e-3
# Adam may have grown a max-pool winner that rounding decides to as much by step 20.
CHECKED_STEPS = 10


@dataclass
class Entry:
    """One contestant on one workload.

    Attributes
    ----------
    library, variant : str
    tuned : bool
        Whether its allocator keeps freed memory; else it is as installed.
    threads : int
    seconds : list of float
        Of each turn.
    mean_loss : float or None
        Of the steps of a turn.
    difference : float or None
        The greatest one of its first losses from the median of all contestants',
        relative to that.
    failure : str or None
        Why there are no times.
    """

    library: str
    variant: str
    tuned: bool
    threads: int
    seconds: list[float] = field(default_factory=list)
    mean_loss: float | None = None
    difference: float | None = None
    failure: str | None = None

    @property
    def ours(self) -> bool:
        """Whether it is tilewright."""
        return self.library == OURS

    @property
    def timed(self) -> bool:
        """Whether it has times."""
        return bool(self.seconds) and self.failure is None

    @property
    def median(self) -> float:
        """Seconds of a turn."""
        return statistics.median(self.seconds)

    @property
    def minimum(self) -> float:
        """Seconds of the fastest turn."""
        return min(self.seconds)


@dataclass
class Comparison:
    """All contestants on one workload.

    Attributes
    ----------
    model : str
        As in `comparison.training.Problem`.
    batch_size : int
    steps : int
        Of a turn.
    epoch_steps : int
        Whole batches of the data set: where they are more than `steps`, the time
        of an epoch is extrapolated.
    entries : list of Entry
    """

    model: str
    batch_size: int
    steps: int
    epoch_steps: int
    entries: list[Entry] = field(default_factory=list)

    @property
    def ours(self) -> Entry | None:
        """The first of tilewright's that has times."""
        return next((e for e in self.entries if e.ours and e.timed), None)

    def best_peer(self, *, tuned: bool) -> Entry | None:
        """The peer with the least median.

        Parameters
        ----------
        tuned : bool
            Among all states; else only among those as installed.
        """
        peers = [
            e for e in self.entries if not e.ours and e.timed and (tuned or not e.tuned)
        ]
        return min(peers, key=lambda e: e.median, default=None)

    def ratio(self, entry: Entry | None) -> float | None:
        """How many times tilewright's median goes into that of `entry`."""
        if entry is None or self.ours is None or not entry.timed:
            return None
        return entry.median / self.ours.median

    def epoch_seconds(self, seconds: float) -> float:
        """Of a whole epoch, from those of a turn."""
        return seconds * self.epoch_steps / self.steps

    @property
    def difference(self) -> float | None:
        """The greatest one between losses, among those that were timed."""
        found = [e.difference for e in self.entries if e.timed]
        return max((d for d in found if d is not None), default=None)


@dataclass
class Report:
    """A run of one of the benchmarks.

    Attributes
    ----------
    benchmark : str
        Stem of the script and of the files with its results.
    about : dict
        Machine and versions, as `comparison.machine.about` tells them.
    settings : dict
        What was asked for.
    comparisons : list of Comparison
    left_out : dict
        Contestants that could not take part, and why.
    rows : list of dict
        Of a benchmark that compares other things than time.
    """

    benchmark: str
    about: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def text(self) -> str:
        """As JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write the JSON file, whole or not at all."""
        write_atomic(path, self.text().encode())

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read a file that `save` wrote.

        Raises
        ------
        ValueError
            If it holds something else.
        """
        document = json.loads(path.read_text("utf-8"))
        if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
            raise ValueError(f"{path}: not a file of {SCHEMA!r}")
        comparisons = [
            Comparison(**{**c, "entries": [Entry(**e) for e in c["entries"]]})
            for c in document.pop("comparisons")
        ]
        return cls(comparisons=comparisons, **document)

    @property
    def broken(self) -> bool:
        """Whether one of tilewright's own entries failed."""
        return any(
            e.ours and e.failure is not None
            for c in self.comparisons
            for e in c.entries
        )


def check_losses(entries: Iterable[tuple[Entry, Sequence[float]]]) -> None:
    """Compare all loss curves; an entry that is away from the others fails.

    Parameters
    ----------
    entries : iterable of (Entry, sequence of float)
        Each with its first losses. The yardstick is the median of all entries,
        step by step. `difference` and `failure` are set.
    """
    entries = list(entries)
    if not entries:
        return
    yardstick = [
        statistics.median([x for x in losses if math.isfinite(x)] or [math.nan])
        for losses in zip(*(losses for _, losses in entries), strict=True)
    ]
    for entry, losses in entries:
        away = [abs(a - b) / abs(b) for a, b in zip(losses, yardstick, strict=True)]
        entry.difference = max(away) if all(map(math.isfinite, away)) else None
        # A loss that is no number compares false with everything.
        step = next((i for i, d in enumerate(away) if not d <= LOSS_TOLERANCE), None)
        if step is not None:
            entry.failure = (
                f"its loss in step {step + 1} is {losses[step]:.6g}, where the "
                f"median of all contestants is {yardstick[step]:.6g}"
            )
