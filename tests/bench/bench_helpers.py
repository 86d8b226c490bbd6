"""Cases and results for the tests of this folder."""

from __future__ import annotations

from tilewright.bench.case import Case
from tilewright.bench.report import Measurement, Result


def measured(name: str, median: float | None, *, tuned: bool = False) -> Measurement:
    """A measurement that did not take place."""
    library = name.split()[0]
    found = Measurement(name, library, "", tuned, error=0.0)
    if median is None:
        found.failure = "broken"
    else:
        found.add_times([median])
    return found


def result_of(case: Case, **medians: float | None) -> Result:
    """A result with tilewright's median and those of peers, `_tuned` or not."""
    measurements = [
        measured(name.replace("_", " "), median, tuned=name.endswith("_tuned"))
        for name, median in medians.items()
    ]
    return Result(case, measurements)
