"""What `tilewright selftest` found, as a file to keep or to send."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tilewright.atomic import write_atomic
from tilewright.bench import Report, tables
from tilewright.cli.info import describe

SCHEMA = "tilewright selftest 1"


@dataclass(frozen=True)
class Run:
    """The cases of one family on one backend.

    Attributes
    ----------
    where : str
        The backend, with its instruction set or precision.
    family : str
    cases : int
        How many there were.
    seconds : float
        That they took with their references, which is no measure of the kernels.
    failures : sequence of (str, str)
        Cases that failed, and what was wrong.
    """

    where: str
    family: str
    cases: int
    seconds: float
    failures: Sequence[tuple[str, str]]


@dataclass
class SelfTest:
    """A run of the whole suite.

    Attributes
    ----------
    device : str
        What was tested.
    about : dict
        As `tilewright.info` describes the installation.
    runs : list of Run
    times : Report or None
        Of the quick benchmarks, where they were run.
    date : str
    """

    device: str
    about: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    times: Report | None = None
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S %z"))

    @property
    def cases(self) -> int:
        """How many have been run."""
        return sum(run.cases for run in self.runs)

    @property
    def failures(self) -> int:
        """How many have failed."""
        return sum(len(run.failures) for run in self.runs)

    def add(
        self,
        where: str,
        family: str,
        cases: int,
        seconds: float,
        failures: Sequence[tuple[str, str]],
    ) -> None:
        """Note one family's cases down."""
        self.runs.append(Run(where, family, cases, round(seconds, 3), failures))

    def to_json(self) -> dict[str, Any]:
        """The whole as plain types."""
        return {
            "schema": SCHEMA,
            "device": self.device,
            "date": self.date,
            "cases": self.cases,
            "failures": self.failures,
            "about": self.about,
            "runs": [asdict(run) for run in self.runs],
            "times": self.times.to_json() if self.times else None,
        }

    def to_markdown(self) -> str:
        """The whole as a page that people read."""
        verdict = f"{self.failures} of {self.cases} cases FAILED"
        if not self.failures:
            verdict = f"all {self.cases} cases passed"
        lines = [
            f"# tilewright selftest: {self.device}",
            "",
            f"{self.date}: {verdict}.",
        ]
        lines += ["", "| | |", "|---|---|"]
        lines += [
            f"| {name} | {text} |"
            for name, text in describe(self.about)
            if not name.startswith("algorithms")
        ]
        lines += ["", "| backend | family | cases | failed |", "|---|---|---:|---:|"]
        lines += [
            f"| {run.where} | {run.family} | {run.cases} | {len(run.failures)} |"
            for run in self.runs
        ]
        failed = [
            f"- {run.where}, {case}: {text}"
            for run in self.runs
            for case, text in run.failures
        ]
        if failed:
            lines += ["", "## Failures", "", *failed]
        if self.times is not None:
            lines += ["", "## Times", "", "```", *_times(self.times), "```"]
        return "\n".join(lines) + "\n"

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Parameters
        ----------
        path : Path
            Markdown where its name ends in ``.md``, else JSON.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        markdown = path.suffix == ".md"
        text = self.to_markdown() if markdown else json.dumps(self.to_json(), indent=1)
        write_atomic(path, text.encode())


def _times(report: Report) -> list[str]:
    lines = [*tables.header(report), "", tables.columns(report)]
    for result in report.results:
        lines += tables.row(report, result)
    return [*lines, "", *tables.summary(report)]
