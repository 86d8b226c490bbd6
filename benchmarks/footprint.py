"""Measure memory, import time and size: what a library costs before it computes.

    python benchmarks/footprint.py
    python benchmarks/footprint.py --wheel dist/tilewright-0.1.0-...whl --save

Without --wheel a wheel of this checkout is built, which needs a compiler and takes
minutes. Memory is the high-water mark of a process that trains an epoch.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from comparison.entrants import KNOWN, Entrant, choose
from comparison.machine import ROOT
from comparison.options import begin, finish, parser, positive
from comparison.results import Report
from comparison.turns import Workshop, prepare, say, workshop
from tilewright.bench.process import ContestantError

CONTESTANTS = ("tilewright", "torch-channels-last", "keras", "jax")
QUICK_STEPS = 100
BATCH_SIZE = 32
# What a program that trains imports, and the packages that have to be there for it.
IMPORTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "numpy": ("import numpy", ("numpy",)),
    "tilewright": (
        "import tilewright as tw; from tilewright import nn, optim, data, kernels; "
        "tw.Tensor; tw.Trainer; kernels.get_num_threads()",
        ("numpy",),
    ),
    "torch": ("import torch", ("torch", "numpy")),
    "keras": ("import keras", ("keras", "tensorflow", "tensorflow-cpu")),
    "jax": ("import jax, jax.numpy", ("jax",)),
}
_CHILD = """
import os, time
os.environ["KERAS_BACKEND"] = "tensorflow"
begin = time.perf_counter()
{statement}
print("seconds", time.perf_counter() - begin)
"""


def import_seconds(statement: str, runs: int) -> float:
    """The median over new processes; one before them fills the caches."""
    times = []
    for _ in range(runs + 1):
        done = subprocess.run(
            [sys.executable, "-c", _CHILD.format(statement=statement)],
            capture_output=True,
            text=True,
            check=True,
        )
        times.append(float(done.stdout.split()[-1]))
    return statistics.median(times[1:])


def required(names: Iterable[str]) -> dict[str, Distribution]:
    """Distributions that are installed, with all that they require.

    What belongs to an extra does not count, nor what is not installed because this
    system does not need it.
    """
    found: dict[str, Distribution] = {}
    todo = list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        for requirement in found[name].requires or ():
            text, _, marker = requirement.partition(";")
            match = re.match(r"[\w.-]+", text)
            if match and "extra" not in marker:
                todo.append(match[0])
    return found


def installed_bytes(distributions: Iterable[Distribution]) -> int:
    """Of their files, without compiled Python."""
    return sum(
        path.stat().st_size
        for one in distributions
        for file in one.files or ()
        if file.suffix != ".pyc" and (path := Path(str(file.locate()))).is_file()
    )


def build_wheel(folder: Path) -> Path:
    """Build this checkout's wheel, as it would be published."""
    say("building the wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(ROOT)]
        + ["--wheel-dir", str(folder), f"-Cbuild-dir={folder / 'build'}"],
        check=True,
    )
    (wheel,) = folder.glob("tilewright-*.whl")
    return wheel


def wheel_contents(wheel: Path) -> int:
    """Bytes that it has when it is unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def peak_bytes(
    shop: Workshop, entrant: Entrant, steps: int | None, versions: dict[str, str]
) -> int | None:
    """The high-water mark of a process that trains; None where it fails.

    The library's version is added to `versions`.
    """
    library = entrant.contestant.name
    try:
        process, _ = prepare(shop, entrant, "mnist-cnn", BATCH_SIZE, 1)
    except ContestantError as error:
        say(f"  {library}: {error}")
        return None
    try:
        versions[entrant.contestant.library] = process.version
        process.ask(do="run", steps=steps or shop.images // BATCH_SIZE)
        peak = int(process.ask(do="memory")["bytes"])
    except ContestantError as error:
        say(f"  {library}: {error}")
        return None
    finally:
        process.close()
    say(f"  {library}: {peak / 1e6:.0f} MB")
    return peak


def rows(
    shop: Workshop, report: Report, names: Sequence[str], wheel: Path, steps: int | None
) -> list[dict[str, Any]]:
    """A row for NumPy and each library."""
    found: list[dict[str, Any]] = []
    libraries = {KNOWN[name][0]: name for name in reversed(names)}
    versions = report.about["versions"]
    for library in ("numpy", *(KNOWN[name][0] for name in names)):
        if library in (row["library"] for row in found):
            continue
        say(library)
        statement, packages = IMPORTS[library]
        row: dict[str, Any] = {"library": library}
        row["import_seconds"] = import_seconds(statement, report.settings["rounds"])
        row["installed_bytes"] = installed_bytes(required(packages).values())
        if library == "tilewright":
            row["installed_bytes"] += wheel_contents(wheel)
        if library in libraries:
            for entrant in choose([libraries[library]], [report.about["threads"]]):
                tuned = entrant.contestant.tuned
                key = "peak_tuned_bytes" if tuned else "peak_bytes"
                row[key] = peak_bytes(shop, entrant, steps, versions)
        found.append(row)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser(__doc__, CONTESTANTS)
    made.add_argument("--wheel", type=Path, help="one that is built already")
    made.add_argument("--steps", type=positive, help="instead of an epoch")
    options = made.parse_args(arguments)
    report = begin("footprint", options)
    steps = options.steps or (QUICK_STEPS if options.quick else None)
    report.settings["quick"] = steps is not None
    with tempfile.TemporaryDirectory() as folder, workshop(options.data) as shop:
        wheel = options.wheel or build_wheel(Path(folder))
        report.settings["wheel_bytes"] = wheel.stat().st_size
        report.rows = rows(shop, report, options.contestants, wheel, steps)
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
