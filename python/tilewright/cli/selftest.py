"""`tilewright selftest`: the conformance suite, on the user's machine."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tilewright.cli.errors import UserError, user_errors

if TYPE_CHECKING:
    from tilewright.bench import Report
    from tilewright.cli.selftest_report import SelfTest
    from tilewright.kernels.conformance import Case

DEVICES = ("cuda", "cudasim")  # which multiply at several precisions


def selftest(
    device: Annotated[
        str | None,
        typer.Option(
            help="cpu, numpy, cuda, or cudasim (CUDA kernels on the CPU). "
            "Default: the one that would run."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="File to write all of it to, as JSON, or as Markdown where the name "
            "ends in .md; then the quick benchmarks are run as well, if all is right."
        ),
    ] = None,
) -> None:
    """Check every kernel against NumPy in float64; ends with 1 if one fails."""
    from tilewright import info
    from tilewright.cli.selftest_report import SelfTest

    with user_errors():
        device = _load(device)
        if report is not None and not report.parent.is_dir():
            raise UserError(f"{report.parent}: no such folder")
    found = SelfTest(device, info())
    _run_all(found)
    if report is not None:
        with user_errors():
            found.save(report)  # what is known should the benchmarks not end well
        if not found.failures and device != "numpy":
            found.times = _measure(device)
            with user_errors():
                found.save(report)
        typer.echo(f"written to {report}")
    elif device == "cuda" and not found.failures:
        typer.echo("--report FILE takes times as well, and writes what to send back")
    if found.failures:
        typer.echo(f"{found.failures:,} of {found.cases:,} cases failed")
        raise typer.Exit(1)
    typer.echo(f"all {found.cases:,} cases passed")
    if found.times and any(result.ours.failure for result in found.times.results):
        raise typer.Exit(1)


def _load(device: str | None) -> str:
    """The device's name; a BackendUnavailableError where nothing runs on it."""
    import numpy as np

    from tilewright.kernels import dispatch

    if device is None:
        return dispatch.for_dtype("selftest", np.dtype(np.float32)).name
    if device == dispatch.SIMULATOR:
        dispatch.register_simulator()
    dispatch.load(device)
    return device


def _run_all(found: SelfTest) -> None:
    from tilewright.kernels import conformance, control
    from tilewright.kernels.conformance import precisions

    device = found.device
    # Each instruction set has kernels of its own, and a machine may run several.
    for isa in control.available_isas() if device == "cpu" else [None]:
        where = device if isa is None else f"{device} ({isa})"
        with control.use_isa(isa) if isa is not None else contextlib.nullcontext():
            for family in conformance.FAMILIES:
                cases = conformance.cases(family)
                _run(found, where, family, cases, lambda case: case.problem(device))
    # And a GPU each precision of products.
    for precision in precisions.LIMITS if device in DEVICES else ():
        check = functools.partial(
            precisions.problem, backend=device, precision=precision
        )
        for family in precisions.FAMILIES:
            cases = precisions.cases(family, precision)
            _run(found, f"{device} ({precision})", family, cases, check)
        if precisions.has_wgmma(device):
            with precisions.by_wgmma(device):
                cases = precisions.cases("gemm", precision)
                _run(found, f"{device} ({precision}, wgmma)", "gemm", cases, check)


def _run(
    found: SelfTest,
    where: str,
    family: str,
    cases: Sequence[Case],
    check: Callable[[Case], str | None],
) -> None:
    """Run cases of a family, print how they went, and note it down."""
    # The name first: it stands there while the cases run.
    typer.echo(f"{where}  {family:<21}  {len(cases):4d} cases", nl=False)
    start = time.perf_counter()
    problems = [(str(case), check(case)) for case in cases]
    failures = [(case, text) for case, text in problems if text is not None]
    seconds = time.perf_counter() - start
    verdict = f"{len(failures)} FAILED" if failures else "passed"
    typer.echo(f"  {seconds:5.1f} s  {verdict}")
    for case, text in failures:
        typer.echo(f"    {case}: {text}")
    found.add(where, family, len(cases), seconds, failures)


def _measure(device: str) -> Report:
    """Time the few cases of a quick run beside the peers that are here."""
    from tilewright import bench as library
    from tilewright.bench import progress as reporting
    from tilewright.kernels.dispatch import SIMULATOR

    cases = library.select(quick=True)
    if device == SIMULATOR:
        cases = [library.shrunk(case) for case in cases]
    progress = reporting.make_progress(len(cases))
    typer.echo("")
    try:
        return library.run(
            cases,
            device=device,
            started=progress.started,
            finished=progress.finished,
        )
    finally:
        progress.close()
        typer.echo("")
