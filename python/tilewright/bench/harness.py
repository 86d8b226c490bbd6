"""Runs cases: checks each contestant's output, then times them in turns."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tilewright.bench import gpu
from tilewright.bench.case import Array, Case, Family, relative_error
from tilewright.bench.contestants import OURS, PEERS, Contestant, contestants_of
from tilewright.bench.families import family
from tilewright.bench.process import ContestantError, Process
from tilewright.bench.report import Measurement, Report, Result
from tilewright.bench.roofline import Roofline, probe_sizes
from tilewright.kernels.conformance.precisions import LIMITS

ROUNDS = 5
SECONDS = 0.06
_PROBE_SECONDS = 0.15
# Pools of other libraries spin for some milliseconds after a call.
_SETTLE_SECONDS = 0.01


class Harness:
    """The contestants' processes and a folder for what passes between them.

    Use it as a context; leaving ends the processes.

    Parameters
    ----------
    threads : int
        For every contestant.
    device, precision : str
        Where and how all compute.
    peers : tuple of str, optional
        As `choose_peers` returns them.
    rounds : int
        Turns that each contestant has on each case.
    seconds : float
        Length of a turn.
    """

    def __init__(
        self,
        threads: int,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        peers: tuple[str, ...] | None = None,
        rounds: int = ROUNDS,
        seconds: float = SECONDS,
    ) -> None:
        self.threads = threads
        self.device = device
        self.precision = precision
        self.peers = peers
        self.rounds = rounds
        self.seconds = seconds
        self._folder = tempfile.TemporaryDirectory(prefix="tilewright-bench-")
        self._processes: dict[Contestant, Process | ContestantError] = {}

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            if isinstance(process, Process):
                process.close()
        self._folder.cleanup()

    def versions(self) -> dict[str, str]:
        """Of the libraries that have run so far."""
        return {
            contestant.library: process.version
            for contestant, process in self._processes.items()
            if isinstance(process, Process)
        }

    def roofline(self, seconds: float = _PROBE_SECONDS) -> Roofline | None:
        """Measure it on the spot; None where nothing is there that measures.

        On the CPU that is the extension. Where a GPU is simulated there is no roof.

        Parameters
        ----------
        seconds : float
            For each of its figures.
        """
        from tilewright.kernels import dispatch

        if self.device not in ("cpu", dispatch.CUDA):
            return None
        if dispatch.unavailable_reason(self.device) is not None:
            return None
        ours = Contestant(OURS, device=self.device, precision=self.precision)
        process = self._process(ours)
        sizes = probe_sizes(self.threads)
        found = Roofline.from_json(
            process.ask(do="roofline", sizes=sizes, seconds=seconds)
        )
        process.ask(do="end")
        return found

    def run(self, case: Case) -> Result:
        """Check and time one case.

        Parameters
        ----------
        case : Case

        Returns
        -------
        Result
            A contestant that fails, or computes something else than the
            reference, has a failure in place of its times.
        """
        cases = family(case.family)
        case = at_precision(case, self.precision)
        files, expected = self._prepare(cases, case)
        result, ready = Result(case), []
        taking_part = contestants_of(cases, self.peers, self.device, self.precision)
        for contestant in taking_part:
            measurement = Measurement(
                contestant.name,
                contestant.library,
                contestant.variant,
                contestant.tuned,
            )
            result.measurements.append(measurement)
            process = self._enter(contestant, case, files, expected, measurement)
            if process is not None:
                ready.append((process, measurement))
        self._take_turns(ready)
        for file in Path(self._folder.name).glob("*.npy"):
            file.unlink()
        return result

    def _prepare(
        self, cases: Family, case: Case
    ) -> tuple[dict[str, str], Sequence[Array]]:
        """Write the inputs, the same in every run; return files and reference."""
        seed = zlib.crc32(case.name.encode())
        inputs = cases.inputs(case.parameters, np.random.default_rng(seed))
        files = {}
        for name, array in inputs.items():
            files[name] = str(Path(self._folder.name) / f"{name}.npy")
            np.save(files[name], array)
        return files, cases.reference(case.parameters, inputs)

    def _process(self, contestant: Contestant) -> Process:
        process = self._processes.get(contestant)
        if process is None:
            try:
                folder = Path(self._folder.name)
                process = Process(contestant, self.threads, folder)
            except ContestantError as error:
                process = error
            self._processes[contestant] = process
        if isinstance(process, ContestantError):
            raise process
        return process

    def _enter(
        self,
        contestant: Contestant,
        case: Case,
        files: dict[str, str],
        expected: Sequence[Array],
        measurement: Measurement,
    ) -> Process | None:
        """Have a contestant compute the case once; its process if that is right."""
        try:
            process = self._process(contestant)
            reply = process.ask(
                do="case",
                family=case.family,
                parameters=case.parameters,
                inputs=files,
                variant=contestant.variant,
                folder=self._folder.name,
            )
        except ContestantError as error:
            self._fail(contestant, measurement, error)
            return None
        outputs = [np.load(file) for file in reply["outputs"]]
        measurement.error = relative_error(outputs, expected)
        if measurement.error <= case.tolerance:
            return process
        measurement.failure = (
            f"wrong result: relative error {measurement.error:.2g}, "
            f"at most {case.tolerance:.2g} is allowed"
        )
        process.ask(do="end")
        return None

    def _take_turns(self, ready: list[tuple[Process, Measurement]]) -> None:
        """Time contestants one after another, each first in some round."""
        times: dict[str, list[float]] = {m.name: [] for _, m in ready}
        for number in range(self.rounds):
            first = number % len(ready) if ready else 0
            for process, measurement in ready[first:] + ready[:first]:
                if measurement.failure is not None:
                    continue
                time.sleep(_SETTLE_SECONDS)
                try:
                    reply = process.ask(do="measure", seconds=self.seconds)
                    times[measurement.name] += reply["seconds"]
                except ContestantError as error:
                    self._fail(process.contestant, measurement, error)
        for process, measurement in ready:
            if measurement.failure is None:
                measurement.add_times(times[measurement.name])
                process.ask(do="end")

    def _fail(
        self, contestant: Contestant, measurement: Measurement, error: ContestantError
    ) -> None:
        measurement.failure = str(error)
        process = self._processes.get(contestant)
        # After a fault on a GPU a process goes by itself, if not at once.
        gone = contestant.device == "cuda"
        if isinstance(process, Process) and (gone or not process.alive()):
            process.close()
            del self._processes[contestant]  # the next case starts another


def run(
    cases: Sequence[Case],
    *,
    threads: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    peers: tuple[str, ...] | None = None,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    started: Callable[[Report], None] = lambda report: None,
    finished: Callable[[Report, Result], None] = lambda report, result: None,
) -> Report:
    """Run cases and collect what was found.

    Parameters
    ----------
    cases : sequence of Case
        As `select` returns them.
    threads : int, optional
        For every contestant; default: what tilewright takes by itself.
    device : str
        "cpu"; "cuda": CuPy's current GPU, timed by CUDA events; "cudasim": the CUDA
        kernels on the CPU, to try the way itself, with times that mean nothing.
    precision : str
        Of products on a GPU; see `tilewright.cuda.set_matmul_precision`.
    peers : tuple of str, optional
        As `choose_peers` returns them.
    rounds : int, default 5
        Turns that each contestant has on each case.
    seconds : float, default 0.06
        Length of a turn.
    started : Callable
        Called once with the report while it has no results.
    finished : Callable
        Called after each case.

    Returns
    -------
    Report
        After Ctrl-C `partial`: of the cases that were done by then.

    Raises
    ------
    ValueError
        If `threads` or `rounds` is below 1, or there is no such device.
    BackendUnavailableError
        If there is, but nothing runs on it here.

    Examples
    --------
    >>> from tilewright import bench
    >>> cases = bench.select(["gemm"], match="logits")
    >>> report = bench.run(cases, peers=("numpy",), rounds=1, seconds=0.001)
    >>> [m.name for m in report.results[0].measurements]
    ['tilewright', 'numpy', 'numpy tuned']
    """
    if rounds < 1:
        raise ValueError(f"bench: rounds must be >= 1, got {rounds}")
    chosen = default_threads() if threads is None else threads
    if chosen < 1:
        raise ValueError(f"bench: threads must be >= 1, got {chosen}")
    expect_device(device)
    with Harness(
        chosen,
        device=device,
        precision=precision,
        peers=peers,
        rounds=rounds,
        seconds=seconds,
    ) as harness:
        about = {**_about(chosen, rounds, seconds), "cases": len(cases)}
        about |= {"device": device, "precision": precision, "gpu": None}
        if device == "cuda":
            about["gpu"] = gpu.describe()
        report = Report(about, harness.roofline())
        started(report)
        # Minutes of measuring are not lost for the sake of the rest.
        with contextlib.suppress(KeyboardInterrupt):
            for case in cases:
                report.results.append(harness.run(case))
                report.about["versions"] = harness.versions()
                finished(report, report.results[-1])
    return report


def expect_device(name: str) -> None:
    """Check that something computes there.

    Raises
    ------
    ValueError
        If there is no such device.
    BackendUnavailableError
        If there is, but what it needs is missing; the message says what.
    """
    from tilewright.kernels import dispatch

    if name not in PEERS:
        raise ValueError(
            f"bench: device must be one of {', '.join(PEERS)}, got {name!r}"
        )
    if name == "cpu":
        return  # NumPy at least is there
    if name == dispatch.SIMULATOR:
        dispatch.register_simulator()
    dispatch.load(name)


def at_precision(case: Case, precision: str) -> Case:
    """The case with the error that products of this precision may have.

    Examples
    --------
    >>> case = Case("gemm", "", "", {}, flops=2e9, bytes=8.0, tolerance=1e-5)
    >>> at_precision(case, "tf32").tolerance
    0.001
    """
    limit = LIMITS.get(precision, 0.0)
    if case.family not in ("gemm", "conv2d") or limit == 0.0:
        return case
    if case.parameters.get("operation") == "pooled_all":
        # Where two sums of a window are as close as the rounding, the gradient goes to
        # the other: to a share of them like the error, of which the norm is the root.
        limit = 3 * limit**0.5
    return dataclasses.replace(case, tolerance=max(case.tolerance, limit))


def default_threads() -> int:
    """What tilewright takes by itself, or the processors where it has no C++."""
    from tilewright.kernels import control, dispatch

    if dispatch.unavailable_reason("cpu") is None:
        return control.default_num_threads()[0]
    return len(os.sched_getaffinity(0))


def _about(threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    from tilewright import info

    about = info()
    names = ("version", "python", "numpy", "platform", "cpu", "isa", "backend")
    return {
        **{name: about[name] for name in names},
        "threads": threads,
        "rounds": rounds,
        "seconds_a_turn": seconds,
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "versions": {},
    }
