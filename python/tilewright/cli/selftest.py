"""`tilewright selftest`: the conformance suite, on the user's machine."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated

import typer

from tilewright.cli.errors import user_errors

SIMULATOR = "cudasim"  # a backend of the tests, which nobody chooses to work with


def selftest(
    device: Annotated[
        str | None,
        typer.Option(
            help="cpu, numpy, cuda, or cudasim (CUDA kernels on the CPU). "
            "Default: the one that would run."
        ),
    ] = None,
) -> None:
    """Check every kernel against NumPy in float64; ends with 1 if one fails."""
    import numpy as np

    from tilewright.kernels import control, dispatch

    with user_errors():
        if device is None:
            device = dispatch.for_dtype("selftest", np.dtype(np.float32)).name
        else:
            if device == SIMULATOR:
                dispatch.register(SIMULATOR, f"{dispatch.BACKENDS}.{SIMULATOR}")
            dispatch.load(device)
    cases = failures = 0
    # Each instruction set has kernels of its own, and a machine may run several.
    for isa in control.available_isas() if device == "cpu" else [None]:
        where = device if isa is None else f"{device} ({isa})"
        with control.use_isa(isa) if isa is not None else contextlib.nullcontext():
            run, failed = _run(device, where)
        cases, failures = cases + run, failures + failed
    if failures:
        typer.echo(f"{failures:,} of {cases:,} cases failed")
        raise typer.Exit(1)
    typer.echo(f"all {cases:,} cases passed")


def _run(backend: str, where: str) -> tuple[int, int]:
    """Run all families on a backend; return how many cases there were and failed."""
    from tilewright.kernels import conformance

    total = failures = 0
    for family in conformance.FAMILIES:
        cases = conformance.cases(family)
        # The name first: it stands there while the cases run.
        typer.echo(f"{where}  {family:<21}  {len(cases):4d} cases", nl=False)
        start = time.perf_counter()
        problems = [(case, case.problem(backend)) for case in cases]
        found = [(case, problem) for case, problem in problems if problem is not None]
        verdict = f"{len(found)} FAILED" if found else "passed"
        typer.echo(f"  {time.perf_counter() - start:5.1f} s  {verdict}")
        for case, problem in found:
            typer.echo(f"    {case}: {problem}")
        total, failures = total + len(cases), failures + len(found)
    return total, failures
