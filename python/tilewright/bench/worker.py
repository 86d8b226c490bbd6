"""The process of one contestant.

It imports its library once and forks a child for each case, so that every case
starts with a fresh allocator, fresh thread pools and no history, and a case that
crashes takes nothing with it. On a GPU there is no such history, and starting is
slow: there the process serves all cases itself, until one fails. Requests and replies
are lines of JSON on the standard streams, one reply to each request:

    {"do": "case", ...}      -> {"outputs": [files]}  from the child, which lives on
    {"do": "measure", ...}   -> {"seconds": [per call], "calls": calls a sample}
    {"do": "end"}            -> {"done": true}        the child is gone
    {"do": "roofline", ...}  -> {"flops": ..., "copies": [[bytes, bytes a second]]}

or {"failure": text}, after which the child is gone too. Between requests the process
waits and its library's threads sleep.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tilewright.bench import gpu
from tilewright.bench.arrays import mapped_copy
from tilewright.bench.case import Array
from tilewright.bench.contestants import OURS
from tilewright.bench.families import family
from tilewright.kernels import dispatch, roofline

_REPORTED = 3  # exit status of a child that has sent its failure itself
_SAMPLE_SECONDS = 5e-4  # shorter calls are timed several at a time
_WARM_SECONDS = 0.05


class Channel:
    """Lines of JSON on what were the standard streams.

    What the library prints goes to the standard error instead.
    """

    def __init__(self) -> None:
        self._requests: BinaryIO = sys.stdin.buffer
        self._replies = os.dup(1)
        os.dup2(2, 1)

    def receive(self) -> dict[str, Any] | None:
        """The next request; None where there will be no more."""
        line = self._requests.readline()
        return json.loads(line) if line else None

    def send(self, reply: dict[str, Any]) -> None:
        """Answer the last request."""
        os.write(self._replies, json.dumps(reply).encode() + b"\n")


class Stopwatch:
    """Times one function, several calls at a time where they are short."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        # The least of some calls: one alone may have been interrupted.
        calls, estimate = 0, float("inf")
        begin = time.perf_counter()
        while calls < 2 or time.perf_counter() - begin < _WARM_SECONDS:
            estimate = min(estimate, self._sample(1))
            calls += 1
        self.slow = estimate > _WARM_SECONDS
        self.calls = max(1, round(_SAMPLE_SECONDS / max(estimate, 1e-9)))

    def measure(self, seconds: float) -> list[float]:
        """Seconds per call, for as many samples as fit and at least one."""
        if not self.slow:
            self._sample(self.calls)  # wakes the threads, fills the caches
        samples: list[float] = []
        begin = time.perf_counter()
        while not samples or time.perf_counter() - begin < seconds:
            samples.append(self._sample(self.calls))
        return samples

    def _sample(self, calls: int) -> float:
        run, begin = self._run, time.perf_counter()
        for _ in range(calls):
            run()
        return (time.perf_counter() - begin) / calls


def main() -> None:
    """Serve requests until the standard input closes.

    The command line is `worker LIBRARY THREADS DEVICE PRECISION`.
    """
    library, threads, device, precision = sys.argv[1:5]
    channel = Channel()
    try:
        version = _load(library)
        machine = _Host(device) if device != "cuda" else gpu.Gpu(library, precision)
        channel.send({"version": version})
        if isinstance(machine, gpu.Gpu):
            _serve_all(channel, library, machine, precision)
        else:
            _fork_for_each(channel, library, int(threads), machine)
    except Exception as error:
        # Which is the last reply: a GPU is not trusted after a fault.
        traceback.print_exc()
        channel.send({"failure": _text(error)})


class _Host:
    """The CPU, or the simulator of a GPU on it."""

    def __init__(self, device: str) -> None:
        if device == dispatch.SIMULATOR:
            dispatch.register_simulator()
            dispatch.use(device)

    def place(self, array: Array) -> Array:
        """Copy to where malloc's history does not count."""
        return mapped_copy(array)

    def stopwatch(self, run: Callable[[], Any]) -> Stopwatch:
        """A stopwatch for calls in this thread."""
        return Stopwatch(run)


def _serve_all(
    channel: Channel, library: str, machine: gpu.Gpu, precision: str
) -> None:
    while request := channel.receive():
        if request["do"] == "roofline":
            channel.send(gpu.roofline(precision, request["seconds"]))
            channel.receive()
        else:
            _serve_case(channel, library, request, machine)
        machine.release()
        channel.send({"done": True})


def _fork_for_each(
    channel: Channel, library: str, threads: int, machine: _Host
) -> None:
    while request := channel.receive():
        child = os.fork()
        if child == 0:
            _serve(channel, library, threads, request, machine)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            channel.send({"done": True})
        elif code != _REPORTED:
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            channel.send({"failure": f"its process ended with {how}"})


def _load(library: str) -> str:
    module = importlib.import_module(library)
    if library == OURS:
        dispatch.unavailable_reason("cpu")  # loads the extension, starts no thread
    return str(module.__version__)


def _serve(
    channel: Channel,
    library: str,
    threads: int,
    request: dict[str, Any],
    machine: _Host,
) -> None:
    """Be the child: serve one case and leave without returning."""
    status = 0
    try:
        if library == "torch":
            importlib.import_module("torch").set_num_threads(threads)
        if request["do"] == "roofline":
            channel.send(_roofline(request["sizes"], request["seconds"]))
            channel.receive()
        else:
            _serve_case(channel, library, request, machine)
        # That was "end"; the parent answers it.
    except Exception as error:
        traceback.print_exc()
        channel.send({"failure": _text(error)})
        status = _REPORTED
    finally:
        sys.stderr.flush()
        os._exit(status)


def _serve_case(
    channel: Channel,
    library: str,
    request: dict[str, Any],
    machine: _Host | gpu.Gpu,
) -> None:
    cases = family(request["family"])
    parameters = request["parameters"]
    inputs = {
        name: machine.place(np.load(file, mmap_mode="r"))
        for name, file in request["inputs"].items()
    }
    prepared = cases.contestants[library](parameters, inputs, request["variant"])
    outputs = cases.sample(parameters, prepared.outputs(prepared.run()))
    files = []
    for i, output in enumerate(outputs):
        files.append(str(Path(request["folder"]) / f"output{i}.npy"))
        np.save(files[-1], output)
    del outputs
    channel.send({"outputs": files})

    stopwatch: Stopwatch | gpu.EventStopwatch | None = None
    gc.collect()
    gc.disable()
    while (request := channel.receive() or {}).get("do") == "measure":
        if stopwatch is None:
            stopwatch = machine.stopwatch(prepared.run)
        seconds = stopwatch.measure(request["seconds"])
        channel.send({"seconds": seconds, "calls": stopwatch.calls})
    gc.enable()


def _roofline(sizes: list[int], seconds: float) -> dict[str, Any]:
    copies = [
        [
            size,
            max(
                roofline.copy_bandwidth(size, streaming=streaming, seconds=seconds)
                for streaming in (False, True)
            ),
        ]
        for size in sizes
    ]
    return {"flops": roofline.peak_flops(seconds), "copies": copies}


def _text(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


if __name__ == "__main__":
    main()
