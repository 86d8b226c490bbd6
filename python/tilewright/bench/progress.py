"""Showing a run as it goes: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from tilewright.bench import tables
from tilewright.bench.report import Report, Result
from tilewright.extras import require


class Progress:
    """Prints a line for each case that is done.

    Parameters
    ----------
    total : int
        Cases of the run.
    baseline : Report, optional
        An earlier run, which each line compares with.
    """

    def __init__(self, total: int, baseline: Report | None = None) -> None:
        self.total = total
        self.baseline = baseline
        self._family = ""

    def started(self, report: Report) -> None:
        """Show what the run is on."""
        self._print(*tables.header(report))
        if self.baseline is not None:
            for difference in self.baseline.differences(report):
                self._print(f"the baseline is of another kind: {difference}")
            if self.baseline.partial:
                self._print(
                    "the baseline is of an interrupted run: "
                    f"{len(self.baseline.results)} of {self.baseline.planned} cases"
                )

    def finished(self, report: Report, result: Result) -> None:
        """Show one result."""
        if result.case.family != self._family:
            self._family = result.case.family
            self._print(
                "", self._family, tables.columns(report, self.baseline is not None)
            )
        self._print(*tables.row(report, result, self.baseline))

    def close(self) -> None:
        """Leave the terminal as it was."""

    def _print(self, *lines: str) -> None:
        for line in lines:
            print(line, flush=True)


class LiveProgress(Progress):
    """The same above a bar, by Rich."""

    def __init__(self, total: int, baseline: Report | None, console: Any) -> None:
        super().__init__(total, baseline)
        rich = require("rich.progress", extra="bench")
        # Refreshed between cases alone: a thread that draws would be timed too.
        self._bar = rich.Progress(
            rich.TextColumn("{task.completed}/{task.total} cases"),
            rich.BarColumn(bar_width=None),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=total)
        self._bar.start()

    def finished(self, report: Report, result: Result) -> None:
        """Show one result and move the bar."""
        super().finished(report, result)
        self._bar.update(self._task, advance=1, refresh=True)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _print(self, *lines: str) -> None:
        for line in lines:
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)


def make_progress(total: int, baseline: Report | None = None) -> Progress:
    """The kind that fits where the output goes.

    Parameters
    ----------
    total : int
    baseline : Report, optional

    Returns
    -------
    Progress
    """
    if not sys.stdout.isatty():
        return Progress(total, baseline)
    try:
        console = require("rich.console", extra="bench").Console()
    except ImportError:
        return Progress(total, baseline)
    if console.is_dumb_terminal:
        return Progress(total, baseline)
    return LiveProgress(total, baseline, console)
