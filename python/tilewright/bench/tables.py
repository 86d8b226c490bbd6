"""A report as lines of text."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tilewright.bench.case import Case
from tilewright.bench.report import Report, Result, by_group, geometric_mean
from tilewright.bench.roofline import Roofline

_NAME = 70


def header(report: Report) -> list[str]:
    """Machine, versions and what the machine can do.

    Parameters
    ----------
    report : Report

    Returns
    -------
    list of str
    """
    about = report.about
    lines = [
        report.machine,
        f"tilewright {about['version']} ({about['backend']}), NumPy {about['numpy']}, "
        f"Python {about['python']}, {about['platform']}",
    ]
    if report.roofline:
        copies = ", ".join(
            f"{rate / 1e9:.0f} in {size_text(size)}"
            for size, rate in report.roofline.copies
        )
        lines.append(
            f"roofline: {report.roofline.flops / 1e9:.0f} GFLOP/s; copy GB/s: {copies}"
        )
    if gpu := about.get("gpu"):
        lines[1:1] = [
            f"compute capability {gpu['compute_capability']}, "
            f"{gpu['multiprocessors']} multiprocessors, "
            f"{gpu['memory_bytes'] / 2**30:.0f} GiB, L2 {size_text(gpu['l2_bytes'])}; "
            f"driver {gpu['driver']}, CUDA {gpu['runtime']}, CuPy {gpu['cupy']}",
            f"host: {about['cpu']}",
        ]
        lines.append("times by CUDA events, the L2 cache overwritten before each call")
        lines.append("each ratio is the best peer's median time / ours")
    elif report.device == "cpu":
        lines.append(
            "each ratio is the best peer's median time / ours: "
            "peers as installed | in any state, allocator tuned or not"
        )
    return lines


def columns(report: Report, baseline: bool = False) -> str:
    """The line above the rows.

    Parameters
    ----------
    report : Report
        Whose device decides which ratios there are.
    baseline : bool
        Whether there is a column for the speedup over a baseline.
    """
    return _row(
        "case",
        ("median", "minimum", "rate", "roof", *_states(report)),
        "before" if baseline else "",
        "best peer",
    )


def _states(report: Report) -> dict[str, bool]:
    """Columns of ratios: against peers in which of their states, tuned or not."""
    if report.device == "cpu":
        return {"installed": False, "tuned": True}
    return {"ratio": False}


def row(report: Report, result: Result, baseline: Report | None = None) -> list[str]:
    """The line of one case, and one for each contestant that failed.

    Parameters
    ----------
    report : Report
        Whose roofline counts.
    result : Result
    baseline : Report, optional
        An earlier run.

    Returns
    -------
    list of str
    """
    ours, peer = result.ours, result.best_peer(tuned=True)
    cells = [
        _time(ours.median),
        _time(ours.minimum),
        _rate(result.case, ours.median, report.roofline),
        _share(result.case, ours.median, report.roofline),
        *(_ratio(result.ratio(tuned=tuned)) for tuned in _states(report).values()),
    ]
    before = _ratio(baseline.speedup(result)) if baseline else ""
    best = f"{peer.name} {_time(peer.median)}" if peer else ""
    lines = [_row(result.case.name, cells, before, best)]
    lines += [f"    {m.name}: {m.failure}" for m in result.measurements if m.failure]
    return lines


def summary(report: Report, baseline: Report | None = None) -> list[str]:
    """Geometric means of the ratios, by group of cases.

    Parameters
    ----------
    report : Report
    baseline : Report, optional
        An earlier run.

    Returns
    -------
    list of str
    """
    before = [] if baseline is None else ["before"]
    states = _states(report)
    lines = [_summary_row("geometric means", "cases", [*states, *before])]
    for group, results in by_group(report.results).items():
        cells = [
            _ratio(geometric_mean(_known(r.ratio(tuned=tuned) for r in results)))
            for tuned in states.values()
        ]
        if baseline is not None:
            speedups = _known(baseline.speedup(result) for result in results)
            cells.append(_ratio(geometric_mean(speedups)))
        lines.append(_summary_row(group, str(len(results)), cells))
    return lines


def _summary_row(group: str, cases: str, cells: list[str]) -> str:
    widths = (11, *(9 for _ in cells[1:]))
    text = "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
    return f"{group:{_NAME}}{cases:>7}{text}"


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _row(name: str, cells: Iterable[str], before: str, best: str) -> str:
    widths = (10, 10, 16, 7, 11, 9)
    text = "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=False))
    if before:
        text += f"{before:>9}"
    return f"{name:{_NAME}}{text}   {best}".rstrip()


def size_text(size: int) -> str:
    """Bytes in a unit that suits them.

    Examples
    --------
    >>> [size_text(size) for size in (32 << 10, 8 << 20)]
    ['32 KiB', '8 MiB']
    """
    if size < 1 << 20:
        return f"{size >> 10} KiB"
    return f"{size >> 20} MiB"


def _time(seconds: float | None) -> str:
    """Three digits and a unit.

    Examples
    --------
    >>> [_time(t) for t in (1.5e-6, 0.0123, 2.0, None)]
    ['1.50 us', '12.3 ms', '2.00 s', '-']
    """
    if seconds is None:
        return "-"
    for unit, scale in (("us", 1e6), ("ms", 1e3), ("s", 1.0)):
        if seconds * scale < 999.5 or unit == "s":
            value = seconds * scale
            digits = max(0, 2 - max(0, math.floor(math.log10(max(value, 1e-9)))))
            return f"{value:.{digits}f} {unit}"
    raise AssertionError("unreachable")


def _rate(case: Case, seconds: float | None, roofline: Roofline | None) -> str:
    """What bounds the case, a second."""
    if seconds is None:
        return "-"
    by_flops = roofline.bound_by_flops(case) if roofline else case.flops > 0
    if by_flops:
        return f"{case.flops / seconds / 1e9:.4g} GFLOP/s"
    return f"{case.bytes / seconds / 1e9:.4g} GB/s"


def _share(case: Case, seconds: float | None, roofline: Roofline | None) -> str:
    if seconds is None or roofline is None:
        return "-"
    return f"{100 * roofline.bound(case) / seconds:.0f}%"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"
