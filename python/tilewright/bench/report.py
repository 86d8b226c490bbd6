"""What a run found, and its form as JSON."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tilewright.atomic import write_atomic
from tilewright.bench.case import Case
from tilewright.bench.contestants import OURS
from tilewright.bench.roofline import Roofline

SCHEMA = "tilewright bench 1"


@dataclass
class Measurement:
    """One contestant on one case.

    Attributes
    ----------
    name : str
        Of the contestant, such as "torch nchw tuned".
    library, variant : str
    tuned : bool
    error : float or None
        Of its output, relative to the reference.
    minimum, median : float or None
        Seconds per call; None where it failed.
    samples : int
        How many times the median is of.
    failure : str or None
        Why there are no times.
    """

    name: str
    library: str
    variant: str
    tuned: bool
    error: float | None = None
    minimum: float | None = None
    median: float | None = None
    samples: int = 0
    failure: str | None = None

    def add_times(self, seconds: Sequence[float]) -> None:
        """Take the statistics of all samples."""
        self.minimum = min(seconds)
        self.median = statistics.median(seconds)
        self.samples = len(seconds)


@dataclass
class Result:
    """All contestants on one case.

    Attributes
    ----------
    case : Case
    measurements : list of Measurement
        tilewright's first.
    """

    case: Case
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def ours(self) -> Measurement:
        """The one of tilewright itself."""
        return next(m for m in self.measurements if m.library == OURS)

    def best_peer(self, *, tuned: bool) -> Measurement | None:
        """The peer with the least median, None where no peer has a time.

        Parameters
        ----------
        tuned : bool
            Among all states; else only among those as installed.
        """
        peers = [
            m
            for m in self.measurements
            if m.library != OURS and m.median is not None and (tuned or not m.tuned)
        ]
        return min(peers, key=lambda m: m.median or math.inf, default=None)

    def ratio(self, *, tuned: bool) -> float | None:
        """The best peer's median divided by ours: above 1 we are faster."""
        peer = self.best_peer(tuned=tuned)
        if peer is None or peer.median is None or self.ours.median is None:
            return None
        return peer.median / self.ours.median


@dataclass
class Report:
    """A run.

    Attributes
    ----------
    about : dict
        Machine, versions, threads and settings, as plain JSON types.
    roofline : Roofline or None
        None where the extension, which measures it, is not built.
    results : list of Result
    """

    about: dict[str, Any]
    roofline: Roofline | None = None
    results: list[Result] = field(default_factory=list)

    @property
    def device(self) -> str:
        """Where it ran: "cpu", "cuda" or "cudasim"."""
        return str(self.about.get("device", "cpu"))

    @property
    def machine(self) -> str:
        """What it ran on, in words."""
        about = self.about
        if self.device == "cuda":
            return f"{about['gpu']['name']}, products at {about['precision']}"
        if self.device == "cudasim":
            return "SIMULATION of CUDA kernels on the CPU: no times of a GPU"
        threads = f"{about['threads']} thread{'s' * (about['threads'] != 1)}"
        return f"{about['cpu']}, {about['isa'] or 'no C++ kernels'}, {threads}"

    @property
    def planned(self) -> int:
        """How many cases the run was to have."""
        return int(self.about.get("cases", len(self.results)))

    @property
    def partial(self) -> bool:
        """Whether the run was interrupted, or is not yet at its end."""
        return len(self.results) < self.planned

    def to_json(self) -> dict[str, Any]:
        """The whole as plain types: what `--json` writes."""
        return {
            "schema": SCHEMA,
            "about": self.about,
            "roofline": self.roofline.to_json() if self.roofline else None,
            "results": [asdict(result) for result in self.results],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Report:
        """The reverse of `to_json`.

        Raises
        ------
        ValueError
            If it is something else.
        """
        if document.get("schema") != SCHEMA:
            raise ValueError(f"not a file of {SCHEMA!r}")
        roofline = document["roofline"]
        return cls(
            document["about"],
            Roofline.from_json(roofline) if roofline else None,
            [
                Result(
                    Case(**result["case"]),
                    [Measurement(**m) for m in result["measurements"]],
                )
                for result in document["results"]
            ],
        )

    def save(self, path: Path) -> None:
        """Write the JSON file, whole or not at all.

        Parameters
        ----------
        path : Path
            Its folder is made where it is missing.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        text = json.dumps(self.to_json(), indent=1) + "\n"
        write_atomic(path, text.encode())

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read a file that `save` wrote.

        Raises
        ------
        OSError
            If it cannot be read.
        ValueError
            If it holds something else.
        """
        try:
            return cls.from_json(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}: {error}") from error

    def speedup(self, result: Result) -> float | None:
        """How much faster `result` is than the same case in this, a baseline.

        Returns
        -------
        float or None
            Its median here divided by the one there; None where either is missing.
        """
        for before in self.results:
            case = before.case
            if (case.family, case.name) == (result.case.family, result.case.name):
                old, new = before.ours.median, result.ours.median
                return old / new if old is not None and new is not None else None
        return None

    def differences(self, other: Report) -> list[str]:
        """What makes times of two runs incomparable, in words."""
        names = ("cpu", "threads", "isa")
        if "cuda" in (self.device, other.device):
            names = ("device", "gpu", "precision")
        return [
            f"{name} was {self.about.get(name)}, now {other.about.get(name)}"
            for name in names
            if self.about.get(name) != other.about.get(name)
        ]


def geometric_mean(values: Iterable[float]) -> float | None:
    """The mean that suits ratios; None of nothing.

    Examples
    --------
    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else None


def by_group(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Results by their row of the summary, in order of appearance."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.case.group, []).append(result)
    return groups
