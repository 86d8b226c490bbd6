"""The pages under benchmarks/results, drawn from the figures beside them."""

from __future__ import annotations

from pathlib import Path

from comparison import machine, tables
from comparison.results import Comparison, Entry, Report
from tilewright.atomic import write_atomic

RESULTS = Path(__file__).resolve().parents[1] / "results"
_LEGEND = (
    "Each cell of a peer is the time of the best one divided by tilewright's: above 1, "
    "tilewright is faster. *As installed* is against peers as pip leaves them; *tuned* "
    "is against the best of all their states, with the allocator told to keep its "
    "memory where that helps."
)


def summary(found: list[Report]) -> str:
    """The page that README.md shows.

    Parameters
    ----------
    found : list of Report
        The newest of each processor and benchmark, of which there is one file.
    """
    parts = [_LEGEND, _epochs(found), _steps(found), _footprints(found)]
    parts.append(
        "All figures, of every contestant, with versions, are in "
        "[benchmarks/results](benchmarks/results); what each number means and how to "
        "take it yourself is in [benchmarks](benchmarks/README.md)."
    )
    return "\n\n".join(part for part in parts if part)


def _epochs(found: list[Report]) -> str:
    rows = [
        [
            f"{_cpu(report)}, batch {c.batch_size}",
            _seconds(c, c.ours),
            *_peer(c, tuned=False),
            *_peer(c, tuned=True),
        ]
        for report in found
        if report.benchmark == "mnist_epoch"
        for c in report.comparisons
        if c.ours is not None
    ]
    if not rows:
        return ""
    columns = [
        "an epoch of the MNIST CNN on",
        "tilewright, s",
        "best peer as installed, s",
        "ratio",
        "best peer tuned, s",
        "ratio",
    ]
    return tables.table(columns, rows)


def _steps(found: list[Report]) -> str:
    rows = []
    for report in found:
        if report.benchmark != "perceptron":
            continue
        for c in report.comparisons:
            if c.ours is None:
                continue
            model = tables.MODELS.get(c.model, c.model)
            rows.append(
                [
                    f"{model}, batch {c.batch_size}, {_cpu(report)}",
                    tables.figure(c.steps / c.ours.median),
                    *(
                        tables.times(c.ratio(c.best_peer(tuned=tuned)))
                        for tuned in (False, True)
                    ),
                ]
            )
    if not rows:
        return ""
    columns = ["training steps", "tilewright, steps/s", "as installed", "tuned"]
    return tables.table(columns, rows)


def _footprints(found: list[Report]) -> str:
    for report in found:
        if report.benchmark == "footprint":
            return tables.footprint(report)
    return ""


def _cpu(report: Report) -> str:
    mark = " (quick run)" if report.settings.get("quick") else ""
    return machine.title(report.about["cpu"]) + mark


def _seconds(comparison: Comparison, entry: Entry | None) -> str:
    if entry is None:
        return "–"
    return tables.figure(comparison.epoch_seconds(entry.median))


def _peer(comparison: Comparison, *, tuned: bool) -> list[str]:
    """Time and name of the best peer, and its ratio to tilewright."""
    peer = comparison.best_peer(tuned=tuned)
    if peer is None:
        return ["–", "–"]
    name = tables.name_of(peer)
    return [
        f"{_seconds(comparison, peer)} ({name})",
        tables.times(comparison.ratio(peer)),
    ]


def pages(results: Path) -> dict[Path, str]:
    """Every page that belongs under `results`, from its figures.

    Parameters
    ----------
    results : Path

    Returns
    -------
    dict of Path to str
        Empty where there are no figures.
    """
    made: dict[Path, str] = {}
    found = []
    for path in sorted(results.glob("*/*.json")):
        report = Report.load(path)
        found.append(report)
        made[path.with_suffix(".md")] = tables.page(report) + "\n"
    if found:
        made[results / "summary.md"] = summary(found) + "\n"
    return made


def stale(results: Path) -> list[Path]:
    """Pages that are not as their figures are now, or have none."""
    made = pages(results)
    there = set(results.glob("*/*.md")) | set(results.glob("*.md"))
    return sorted(
        path
        for path in there | set(made)
        if not path.is_file() or path.read_text("utf-8") != made.get(path)
    )


def write_all(results: Path) -> list[Path]:
    """Write the pages that are stale; those that were."""
    made = pages(results)
    written = [path for path in stale(results) if path in made]
    for path in written:
        write_atomic(path, made[path].encode())
    return written
