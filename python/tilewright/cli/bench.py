"""`tilewright bench`: how fast the kernels are here, and against whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tilewright.cli.errors import UserError, user_errors
from tilewright.kernels import checks
from tilewright.kernels.dispatch import SIMULATOR
from tilewright.kernels.matmul_precision import PRECISIONS

if TYPE_CHECKING:
    from tilewright.bench import Report, Result


def bench(
    families: Annotated[
        list[str] | None,
        typer.Argument(help="Kernel families. Default: all of them."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Peers, among numpy, torch and jax, on a GPU cupy and torch, with "
            "commas between them. Default: those that are installed, and NumPy only "
            "where it has the operation."
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="cpu, cuda (CuPy's current GPU), or cudasim (CUDA kernels on the CPU, "
            "with tiny cases: times that mean nothing)."
        ),
    ] = "cpu",
    precision: Annotated[
        str,
        typer.Option(help="Of products on a GPU: fp32, 3xtf32, tf32 or bf16."),
    ] = "fp32",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="For all, on the CPU. Default: the physical cores."),
    ] = None,
    match: Annotated[
        str, typer.Option("--filter", help="Only cases that hold all of these words.")
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the most telling cases.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Turns that each one has.")] = 5,
    seconds: Annotated[float, typer.Option(min=0, help="Length of a turn.")] = 0.06,
    json: Annotated[
        Path | None,
        typer.Option(help="File to write all figures to, after each case."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture to draw: roofline and ratio bars.")
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="File that --json wrote before, to compare with."),
    ] = None,
    list_cases: Annotated[
        bool, typer.Option("--list", help="Show the cases and run none.")
    ] = False,
) -> None:
    """Time the kernels in turns with other libraries; ends with 1 if one is wrong.

    Ctrl-C ends it early and keeps the cases that were done.
    """
    from tilewright import bench as library
    from tilewright.bench import progress as reporting
    from tilewright.bench import tables
    from tilewright.bench.plot import plot as draw
    from tilewright.extras import require

    with user_errors():
        cases = library.select(families or (), match=match, quick=quick)
        if list_cases:
            for case in cases:
                typer.echo(f"{case.family}: {case.name}")
            return
        _check_choices(device, precision, threads)
        peers = library.choose_peers(_words(against), device)
        before = library.Report.load(baseline) if baseline is not None else None
        # Minutes of measuring must not be lost for the want of a folder.
        for path in (json, plot):
            if path is not None and not path.parent.is_dir():
                raise UserError(f"{path.parent}: no such folder")
    if plot is not None:
        require("matplotlib", extra="bench")

    if device == SIMULATOR:
        cases = [library.shrunk(case) for case in cases]
    progress = reporting.make_progress(len(cases), before)

    def finished(report: Report, result: Result) -> None:
        _save(report, json)
        progress.finished(report, result)

    try:
        report = library.run(
            cases,
            threads=threads,
            device=device,
            precision=precision,
            peers=peers,
            rounds=rounds,
            seconds=seconds,
            started=progress.started,
            finished=finished,
        )
    finally:
        progress.close()
    typer.echo("")
    for line in tables.summary(report, before):
        typer.echo(line)
    _save(report, json)
    if plot is not None:
        with user_errors():
            draw(report, plot)
    if report.partial:
        typer.echo(f"interrupted after {len(report.results)} of {report.planned} cases")
        raise typer.Exit(130)
    if any(result.ours.failure for result in report.results):
        raise typer.Exit(1)


def _check_choices(device: str, precision: str, threads: int | None) -> None:
    from tilewright import bench as library

    library.expect_device(device)
    checks.choice("bench", "precision", precision, PRECISIONS)
    if device == "cpu" and precision != "fp32":
        raise UserError(f"--precision {precision} needs --device cuda")
    if device != "cpu" and threads is not None:
        raise UserError("--threads is for --device cpu")


def _save(report: Report, path: Path | None) -> None:
    # An interrupted run without a result leaves an earlier file alone.
    if path is not None and report.results:
        with user_errors():
            report.save(path)


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word for word in text.split(",") if word]
