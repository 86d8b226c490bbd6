"""Runs contestants: checks that they compute the same, then times them in turns."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tilewright as tw
from comparison.entrants import Entrant
from comparison.results import (
    CHECKED_STEPS,
    Comparison,
    Entry,
    Report,
    check_losses,
)
from comparison.tilewright_training import build
from comparison.training import SEED
from tilewright.bench.process import ContestantError, Process
from tilewright.data import DataLoader, mnist, mnist_sample

BENCHMARKS = Path(__file__).resolve().parents[1]
_START = (
    f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); "
    "from comparison.worker import main; main()"
)
# Pools of other libraries spin for some milliseconds after their turn.
_SETTLE_SECONDS = 0.1

Say = Callable[[str], None]


def say(line: str) -> None:
    """Show how far a run is, apart from its results."""
    print(line, file=sys.stderr, flush=True)


class Workshop:
    """A folder with the data, for all processes of a run.

    Attributes
    ----------
    folder : Path
    images : int
        In the data set.
    """

    def __init__(self, folder: Path, data: str) -> None:
        train, _ = mnist() if data == "mnist" else mnist_sample()
        loader = DataLoader(train, 1, shuffle=True, seed=SEED)
        np.save(folder / "x.npy", train.x)
        np.save(folder / "y.npy", train.y)
        np.save(folder / "order.npy", loader.order(0))
        self.folder = folder
        self.images = len(train)
        self._processes = 0

    def prepare(self, model: str) -> None:
        """Write a model's initial weights, the same ones each time."""
        path = self.folder / f"{model}.npz"
        if not path.exists():
            tw.manual_seed(SEED)
            np.savez(path, *[p.data for p in build(model).parameters()])

    def start(self, entrant: Entrant) -> Process:
        """Start a contestant's process.

        Raises
        ------
        ContestantError
            If its library cannot be imported.
        """
        self._processes += 1
        folder = self.folder / f"process{self._processes}"
        folder.mkdir()
        contestant, threads = entrant.contestant, entrant.threads
        words = [contestant.library, contestant.variant, str(threads)]
        command = [sys.executable, "-c", _START, *words]
        return Process(contestant, threads, folder, command)


@contextmanager
def workshop(data: str = "mnist") -> Iterator[Workshop]:
    """A `Workshop` that goes away with its folder.

    Parameters
    ----------
    data : str
        "mnist", or "mnist-sample" where figures don't matter.
    """
    with tempfile.TemporaryDirectory(prefix="tilewright-benchmark-") as folder:
        yield Workshop(Path(folder), data)


def entry_of(entrant: Entrant) -> Entry:
    """An entry that has nothing yet."""
    contestant = entrant.contestant
    return Entry(
        contestant.library, contestant.variant, contestant.tuned, entrant.threads
    )


def entry_name(entry: Entry) -> str:
    """How progress and errors call an entry."""
    state = " tuned" if entry.tuned else ""
    plural = "s" * (entry.threads != 1)
    variant = f"{entry.library} {entry.variant}{state}"
    return f"{variant}, {entry.threads} thread{plural}"


def prepare(
    shop: Workshop, entrant: Entrant, model: str, batch_size: int, steps: int
) -> tuple[Process, list[float]]:
    """Start a contestant and have it train some steps.

    Parameters
    ----------
    shop : Workshop
    entrant : Entrant
    model : str
    batch_size, steps : int

    Returns
    -------
    process : Process
        It waits for its first turn.
    losses : list of float
        One of each step.

    Raises
    ------
    ContestantError
        If it cannot; there is no process then.
    """
    shop.prepare(model)
    process = shop.start(entrant)
    try:
        reply = process.ask(
            do="prepare",
            folder=str(shop.folder),
            model=model,
            batch_size=batch_size,
            steps=steps,
        )
    except ContestantError:
        process.close()
        raise
    losses: list[float] = reply["losses"]
    return process, losses


def compare(
    shop: Workshop,
    entrants: Sequence[Entrant],
    comparison: Comparison,
    rounds: int,
    versions: dict[str, str],
) -> None:
    """Fill a comparison.

    Parameters
    ----------
    shop : Workshop
    entrants : sequence of Entrant
    comparison : Comparison
        Without entries.
    rounds : int
        Turns that each contestant has.
    versions : dict of str to str
        Of libraries; those that took part are added.
    """
    ready: list[tuple[Process, Entry, list[float]]] = []
    steps = min(CHECKED_STEPS, comparison.epoch_steps)
    try:
        for entrant in entrants:
            entry = entry_of(entrant)
            comparison.entries.append(entry)
            try:
                process, losses = prepare(
                    shop, entrant, comparison.model, comparison.batch_size, steps
                )
            except ContestantError as error:
                _fail(entry, str(error))
                continue
            versions[entry.library] = process.version
            ready.append((process, entry, losses))
        check_losses((entry, losses) for _, entry, losses in ready)
        for _, entry, _ in ready:
            if entry.failure is not None:
                _fail(entry, entry.failure)
        _take_turns([(p, e) for p, e, _ in ready], comparison.steps, rounds)
    finally:
        for process, _, _ in ready:
            process.close()


def _take_turns(ready: list[tuple[Process, Entry]], steps: int, rounds: int) -> None:
    """Time contestants one after another, each first in some round."""
    for number in range(rounds):
        first = number % len(ready) if ready else 0
        for process, entry in ready[first:] + ready[:first]:
            if entry.failure is not None:
                continue
            time.sleep(_SETTLE_SECONDS)
            try:
                reply = process.ask(do="run", steps=steps)
            except ContestantError as error:
                _fail(entry, str(error))
                continue
            entry.seconds.append(reply["seconds"])
            entry.mean_loss = reply["mean_loss"]
            say(
                f"  round {number + 1}: {entry_name(entry)}: "
                f"{reply['seconds']:.3f} s, mean loss {reply['mean_loss']:.4f}"
            )


def _fail(entry: Entry, failure: str) -> None:
    entry.failure = failure
    say(f"  {entry_name(entry)}: {failure}")


def run_comparison(
    shop: Workshop,
    report: Report,
    entrants: Sequence[Entrant],
    *,
    model: str,
    batch_size: int,
    steps: int | None,
    rounds: int,
) -> Comparison:
    """Add a comparison to a report.

    Parameters
    ----------
    shop : Workshop
    report : Report
    entrants : sequence of Entrant
    model : str
    batch_size : int
    steps : int or None
        Of a turn; None, or more than an epoch has: an epoch.
    rounds : int

    Returns
    -------
    Comparison
        Also the last of `report.comparisons`.

    Raises
    ------
    ValueError
        If the data set has no whole batch.
    """
    whole = shop.images // batch_size
    if whole < 1:
        raise ValueError(f"{shop.images} images have no batch of {batch_size}")
    turn = whole if steps is None else min(steps, whole)
    say(f"{model}, batch {batch_size}, {turn} steps a turn")
    comparison = Comparison(model, batch_size, turn, whole)
    report.comparisons.append(comparison)
    versions: dict[str, Any] = report.about["versions"]
    compare(shop, entrants, comparison, rounds, versions)
    return comparison
