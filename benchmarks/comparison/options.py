"""The command line that the scripts share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from comparison import machine, tables
from comparison.entrants import KNOWN, missing
from comparison.results import Report
from comparison.summary import RESULTS, write_all
from comparison.turns import say
from tilewright.bench.harness import default_threads


def numbers(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    found = [int(word) for word in text.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return found


def words(text: str) -> list[str]:
    """Words with commas between them."""
    return [word for word in text.split(",") if word]


def positive(text: str) -> int:
    """A whole number from 1 on."""
    (number,) = numbers(text)
    return number


def parser(description: str, contestants: Sequence[str]) -> argparse.ArgumentParser:
    """What every script takes.

    Parameters
    ----------
    description : str
        Its docstring.
    contestants : sequence of str
        The default ones.
    """
    made = argparse.ArgumentParser(description=description.strip().splitlines()[0])
    made.add_argument(
        "--contestants",
        type=words,
        default=list(contestants),
        metavar="NAMES",
        help=f"with commas, among {', '.join(KNOWN)}; default: {','.join(contestants)}",
    )
    made.add_argument("--threads", type=positive, default=default_threads())
    made.add_argument("--rounds", type=positive, default=3, help="turns of each one")
    made.add_argument(
        "--quick", action="store_true", help="a part of each turn, extrapolated"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    made.add_argument(
        "--save",
        action="store_true",
        help="write tables to benchmarks/results, for this kind of processor",
    )
    made.add_argument(
        "--data",
        choices=("mnist", "mnist-sample"),
        default="mnist",
        help="mnist-sample is for trying a script out; its figures mean nothing",
    )
    return made


def begin(benchmark: str, options: argparse.Namespace) -> Report:
    """A report without results; contestants that are not installed are left out.

    Parameters
    ----------
    benchmark : str
    options : argparse.Namespace
        `contestants` becomes those that are there.
    """
    if options.save and options.data != "mnist":
        raise SystemExit("--save: figures of the sample are not for keeping")
    unknown = [name for name in options.contestants if name not in KNOWN]
    if unknown:
        raise SystemExit(
            f"--contestants: no {', '.join(unknown)}; there are {', '.join(KNOWN)}"
        )
    settings = {"quick": options.quick, "rounds": options.rounds, "data": options.data}
    report = Report(benchmark, machine.about(options.threads), settings)
    for name in options.contestants:
        reason = missing(name)
        if reason is not None:
            report.left_out[name] = reason
            say(f"{name} is left out: {reason}")
    options.contestants = [n for n in options.contestants if n not in report.left_out]
    load = os.getloadavg()[0]
    if load > 0.5:
        report.settings["load"] = round(load, 1)
        say(f"others keep this machine busy (load {load:.1f}): expect wrong figures")
    return report


def finish(report: Report, options: argparse.Namespace) -> int:
    """Show a report and write what was asked for; the exit status."""
    print(tables.page(report))
    if options.json is not None:
        report.save(options.json)
    if options.save:
        folder = RESULTS / machine.slug(report.about["cpu"])
        report.save(folder / f"{report.benchmark}.json")
        for path in write_all(RESULTS):
            say(f"wrote {path.relative_to(RESULTS.parents[1])}")
        say("now: python tools/update_readme.py")
    return int(report.broken)
