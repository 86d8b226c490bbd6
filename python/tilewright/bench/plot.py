"""A report as a picture: the roofline with the cases under it, and ratio bars."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.bench.case import Case
from tilewright.bench.report import Report, Result
from tilewright.bench.tables import size_text
from tilewright.extras import require

_BAR_INCHES = 0.17
_LEAST_INCHES = 5.5


def plot(report: Report, path: Path) -> None:
    """Draw a report.

    Parameters
    ----------
    report : Report
    path : Path
        What it ends in names the format, such as ``.png``.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If Matplotlib does not know the format.
    """
    matplotlib = require("matplotlib.figure", extra="bench")
    rows = [r for r in report.results if r.ratio(tuned=True) is not None]
    height = max(_LEAST_INCHES, _BAR_INCHES * len(rows) + 1.5)
    figure = matplotlib.Figure(figsize=(15, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.2))
    _draw_roofline(left, report)
    _draw_ratios(right, rows)
    about = report.about
    figure.suptitle(
        f"tilewright {about['version']} on {report.machine}, {about['date']}",
        fontsize=10,
    )
    figure.savefig(path, dpi=110)


def _draw_roofline(axes: Any, report: Report) -> None:
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="FLOP per byte, of the direct algorithm and the least traffic",
        ylabel="GFLOP/s; GB/s where there are no FLOP to speak of",
        title="roofline",
    )
    points: dict[str, list[tuple[float, float]]] = {}
    for result in report.results:
        if result.ours.median is not None:
            point = _point(result.case, result.ours.median)
            points.setdefault(result.case.family, []).append(point)
    intensities = [x for family in points.values() for x, _ in family] or [1.0]
    x = np.geomspace(min(intensities) / 2, max(intensities) * 2, 200)
    if report.roofline is not None:
        peak = report.roofline.flops / 1e9
        for size, rate in report.roofline.copies:
            roof = np.minimum(x * rate / 1e9, peak)
            axes.plot(x, roof, color="grey", lw=0.8)
            label = f"copy within {size_text(size)}: {rate / 1e9:.0f} GB/s"
            axes.annotate(label, (x[0], roof[0]), fontsize=6, va="bottom")
        axes.axhline(peak, color="black", lw=1, ls=":", label=f"{peak:.0f} GFLOP/s")
    for family, some in points.items():
        axes.scatter(*np.transpose(some), s=14, label=family)
    axes.grid(alpha=0.3)
    axes.set_box_aspect(1)
    axes.set_anchor("N")  # the bars may be much taller
    if points:
        axes.legend(fontsize=7, loc="lower right")


def _point(case: Case, seconds: float) -> tuple[float, float]:
    """A case without FLOP stands at one a byte, where GFLOP/s and GB/s agree."""
    if case.flops == 0:
        return 1.0, case.bytes / seconds / 1e9
    return case.flops / case.bytes, case.flops / seconds / 1e9


def _draw_ratios(axes: Any, rows: list[Result]) -> None:
    y = np.arange(len(rows))
    for tuned, shift, label in (
        (False, -0.2, "peers as installed"),
        (True, 0.2, "peers in any state"),
    ):
        ratios = np.array([row.ratio(tuned=tuned) or np.nan for row in rows])
        axes.barh(y + shift, ratios - 1, left=1, height=0.4, label=f"against {label}")
    axes.axvline(1, color="black", lw=1)
    names = [f"{row.case.family} {row.case.name}" for row in rows]
    axes.set_yticks(y, names, fontsize=6)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.set(
        xscale="log",
        xlabel="best peer's median time / tilewright's",
        title="speed against the best peer",
    )
    # Powers of two, from a half at the most to two at the least.
    low, high = axes.get_xlim()
    first = min(-1, math.floor(math.log2(max(low, 2.0**-10))))
    ticks = [2.0**k for k in range(first, max(1, math.ceil(math.log2(high))) + 1)]
    axes.set_xticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(ticks[0], ticks[-1])
    axes.grid(axis="x", alpha=0.3)
    if rows:
        axes.legend(fontsize=7)
