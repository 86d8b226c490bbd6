"""Reports as Markdown."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from comparison import machine
from comparison.results import CHECKED_STEPS, Comparison, Entry, Report

NAMES = {
    ("tilewright", "compile_step"): "tilewright, `compile_step`",
    ("tilewright", "eager"): "tilewright, eager loop",
    ("torch", "eager"): "PyTorch",
    ("torch", "nchw"): "PyTorch, NCHW",
    ("torch", "channels_last"): "PyTorch, channels_last",
    ("torch", "compile"): "PyTorch, torch.compile",
    ("keras", "tensorflow"): "Keras on TensorFlow, `fit`",
    ("jax", "jit"): "JAX, `jit`",
}
LIBRARIES = {
    "tilewright": "tilewright",
    "numpy": "NumPy",
    "torch": "PyTorch",
    "keras": "Keras/TensorFlow",
    "jax": "JAX",
}
MODELS = {
    "mnist-cnn": "MNIST CNN",
    "784-128-10": "784-128-10 perceptron",
    "784-256-128-10": "784-256-128-10 perceptron",
}
STATES = (
    "*As installed*: the library as pip leaves it. *Tuned*: glibc's allocator told to "
    "keep freed memory in the process (`MALLOC_*` variables), which is the best that "
    "can be done for it. tilewright has an allocator of its own and is always as "
    "installed."
)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures.

    Examples
    --------
    >>> print(table(["", "s"], [["a", "1.5"]]))
    |  | s |
    |---|---:|
    | a | 1.5 |
    """
    lines = [columns, ["---", *("---:" for _ in columns[1:])], *rows]
    text = ["| " + " | ".join(cells) + " |" for cells in lines]
    text[1] = "|" + "|".join(lines[1]) + "|"
    return "\n".join(text)


def figure(value: float) -> str:
    """Three digits, or all of those before the point.

    Examples
    --------
    >>> [figure(value) for value in (0.01234, 1.234, 98.76, 12345.6)]
    ['0.0123', '1.23', '98.8', '12,346']
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    for digits, least in ((1, 10.0), (2, 1.0), (3, 0.1)):
        if abs(value) >= least:
            return f"{value:.{digits}f}"
    return f"{value:.3g}"


def times(ratio: float | None) -> str:
    """A ratio.

    Examples
    --------
    >>> times(4.234), times(None)
    ('4.23×', '–')
    """
    return "–" if ratio is None else f"{figure(ratio)}×"


def name_of(entry: Entry) -> str:
    """What a reader calls it."""
    return NAMES.get((entry.library, entry.variant), f"{entry.library} {entry.variant}")


def heading(report: Report) -> str:
    """Machine and versions, in a paragraph."""
    about = report.about
    versions = ", ".join(
        f"{LIBRARIES.get(name, name)} {version}"
        for name, version in about["versions"].items()
    )
    cpu = about["cpu"]
    numbers = f"family {cpu['family']} model {cpu['model']}, " if cpu["family"] else ""
    plural = "s" * (about["threads"] != 1)
    commit = f", commit {about['commit']}" if about["commit"] else ""
    return (
        f"{machine.title(cpu)}, {numbers}{about['cores']} cores, "
        f"{about['memory_gib']} GiB; {about['threads']} thread{plural}; "
        f"instruction set {about['isa'] or '– (no C++ kernels)'}. "
        f"{versions}, Python {about['python']}, {_system(about['platform'])}"
        f"{commit}; {about['date']}."
    )


def _system(text: str) -> str:
    """The system of `platform.platform()`, without what names a build."""
    found = re.match(r"(\w+-\d+\.\d+)", text)
    return found[1].replace("-", " ") if found else platform.system()


def notes(report: Report) -> list[str]:
    """What a reader must know about the figures, a paragraph each."""
    lines = []
    failures = dict.fromkeys(
        f"{name_of(e)}{' tuned' * e.tuned}: {e.failure}"
        for c in report.comparisons
        for e in c.entries
        if e.failure is not None
    )
    if report.settings.get("data") == "mnist-sample":
        lines.append("**These are figures of a sample of MNIST: a trial, no result.**")
    if report.comparisons and report.settings.get("quick"):
        lines.append("**From short turns (`--quick`); epochs are extrapolated.**")
    if report.benchmark == "footprint" and report.settings.get("quick"):
        lines.append("**Peak memory of a part of an epoch (`--quick`).**")
    lines += [f"Left out: {text}." for text in failures]
    lines += [f"Left out: {n}, {reason}." for n, reason in report.left_out.items()]
    worst = max(
        (c.difference for c in report.comparisons if c.difference is not None),
        default=None,
    )
    if worst is not None:
        lines.append(
            "All start from the same weights and take the same batches; of the "
            f"losses of the first {CHECKED_STEPS} steps none is further than "
            f"{worst:.1g} (relative) from the median of all contestants."
        )
    return lines


def pairs(entries: Sequence[Entry]) -> list[tuple[Entry | None, Entry | None]]:
    """As installed and tuned, of each contestant that has times."""
    found: dict[tuple[str, str, int], list[Entry | None]] = {}
    for entry in entries:
        if entry.timed:
            key = (entry.library, entry.variant, entry.threads)
            found.setdefault(key, [None, None])[entry.tuned] = entry
    return [(installed, tuned) for installed, tuned in found.values()]


def epoch_table(comparison: Comparison) -> str:
    """Seconds of an epoch: median and, in brackets, minimum."""

    def cell(entry: Entry | None) -> str:
        if entry is None:
            return "–"
        median, minimum = map(comparison.epoch_seconds, (entry.median, entry.minimum))
        return f"{figure(median)} ({figure(minimum)})"

    return _against_us(comparison, "s", cell, threads=False)


def rate_table(comparison: Comparison) -> str:
    """Steps a second: of the median turn and, in brackets, of the fastest."""

    def cell(entry: Entry | None) -> str:
        if entry is None:
            return "–"
        median, best = (comparison.steps / s for s in (entry.median, entry.minimum))
        return f"{figure(median)} ({figure(best)})"

    return _against_us(comparison, "steps/s", cell, threads=True)


def _against_us(
    comparison: Comparison,
    unit: str,
    cell: Callable[[Entry | None], str],
    *,
    threads: bool,
) -> str:
    """A row for each contestant, in both states, with its ratio to tilewright."""
    rows = []
    for installed, tuned in pairs(comparison.entries):
        entry = installed or tuned
        assert entry is not None
        rows.append(
            [
                name_of(entry),
                *([str(entry.threads)] if threads else []),
                cell(installed),
                cell(tuned),
                times(comparison.ratio(installed)),
                times(comparison.ratio(tuned)),
                "–" if entry.mean_loss is None else f"{entry.mean_loss:.4f}",
            ]
        )
    columns = [
        "",
        *(["threads"] if threads else []),
        f"as installed, {unit}",
        f"tuned, {unit}",
        "time / ours, as installed",
        "time / ours, tuned",
        "mean loss",
    ]
    return table(columns, rows)


def mnist_epoch(report: Report) -> str:
    """Tables of benchmarks/mnist_epoch.py."""
    parts = []
    for comparison in report.comparisons:
        images = comparison.epoch_steps * comparison.batch_size
        parts += [
            f"## Batch {comparison.batch_size}",
            f"An epoch of {images:,} images: forward, backward and Adam; median "
            "(minimum) of the turns.",
            epoch_table(comparison),
        ]
    return "\n\n".join(parts)


def perceptron(report: Report) -> str:
    """Tables of benchmarks/perceptron.py."""
    parts = []
    for comparison in report.comparisons:
        name = MODELS.get(comparison.model, comparison.model)
        parts += [
            f"## {name}, batch {comparison.batch_size}",
            f"Turns of {comparison.steps:,} steps: forward, backward and Adam; of the "
            "median turn (of the fastest).",
            rate_table(comparison),
        ]
    return "\n\n".join(parts)


def _rates(comparison: Comparison) -> list[str]:
    """Images a second, ours and the best peer's, and their ratio."""
    ours, peer = comparison.ours, comparison.best_peer(tuned=True)
    images = comparison.steps * comparison.batch_size
    rates = ["–" if e is None else figure(images / e.median) for e in (ours, peer)]
    return [*rates, times(comparison.ratio(peer))]


def scaling(report: Report) -> str:
    """Tables of benchmarks/scaling.py."""
    first = report.settings["thread_comparisons"]
    one = report.comparisons[0]
    rows = []
    for comparison in report.comparisons[:first]:
        speedups = [
            times(base.median / now.median) if base and now else "–"
            for base, now in (
                (one.ours, comparison.ours),
                (one.best_peer(tuned=True), comparison.best_peer(tuned=True)),
            )
        ]
        threads = comparison.entries[0].threads
        rows.append([str(threads), *_rates(comparison), *speedups])
    images = ["tilewright, images/s", "PyTorch tuned, images/s", "ratio"]
    scale = ["tilewright over one thread", "PyTorch over one thread"]
    batches = [[str(c.batch_size), *_rates(c)] for c in report.comparisons[first:]]
    return "\n\n".join(
        [
            f"## Threads, at batch {one.batch_size}",
            table(["threads", *images, *scale], rows),
            "## Batch sizes",
            table(["batch", *images], batches),
        ]
    )


def footprint(report: Report) -> str:
    """Table of benchmarks/footprint.py."""

    def amount(row: dict[str, Any], key: str, unit: float) -> str:
        value = row.get(key)
        return "–" if value is None else figure(value / unit)

    rows = [
        [
            LIBRARIES.get(row["library"], row["library"]),
            amount(row, "import_seconds", 1e-3),
            amount(row, "installed_bytes", 1e6),
            amount(row, "peak_bytes", 1e6),
            amount(row, "peak_tuned_bytes", 1e6),
        ]
        for row in report.rows
    ]
    columns = [
        "",
        "import, ms",
        "installed, MB",
        "peak memory, MB",
        "peak memory tuned, MB",
    ]
    wheel = report.settings.get("wheel_bytes")
    return "\n\n".join(
        [
            table(columns, rows),
            "Import: a new process that imports what training needs, NumPy included. "
            "Installed: with all that the package requires, without compiled Python "
            "files. Peak memory: high-water mark of a process that trains the MNIST "
            "CNN for an epoch at batch 32; the data are 188 MB of it.",
            *([f"tilewright's wheel has {wheel / 1e6:.2f} MB."] if wheel else []),
        ]
    )


BODIES: dict[str, tuple[str, Callable[[Report], str]]] = {
    "mnist_epoch": ("An epoch of the MNIST CNN", mnist_epoch),
    "perceptron": ("Perceptrons, steps a second", perceptron),
    "scaling": ("Threads and batch sizes, MNIST CNN", scaling),
    "footprint": ("Memory, import time and size", footprint),
}


def page(report: Report) -> str:
    """The whole page of a report: what stands in benchmarks/results."""
    title, body = BODIES[report.benchmark]
    parts = [f"# {title}", heading(report), body(report), *notes(report)]
    if report.benchmark != "footprint":
        parts.append(STATES)
    return "\n\n".join(parts)
