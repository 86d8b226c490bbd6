"""The process of one contestant: `worker LIBRARY VARIANT THREADS`.

Requests and replies are lines of JSON, one reply to each request:

    {"do": "prepare", "folder", "model", "batch_size", "steps"}
        -> {"losses": [of the first steps]}
    {"do": "run", "steps"}  -> {"seconds": ..., "mean_loss": ...}
    {"do": "memory"}        -> {"bytes": high-water mark of resident memory}

or {"failure": text}. Between requests the process waits and its threads sleep.
"""

from __future__ import annotations

import importlib
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

from comparison.training import Problem, Training
from tilewright.bench.worker import Channel


def load(library: str, threads: int) -> str:
    """Import a library, with so many threads; its version."""
    if library == "keras":
        set_threads = importlib.import_module("comparison.keras_training").set_threads
        set_threads(threads)
        tensorflow = importlib.import_module("tensorflow").__version__
        return f"{importlib.import_module('keras').__version__}/{tensorflow}"
    module = importlib.import_module(library)
    if library == "torch":
        module.set_num_threads(threads)
    return str(module.__version__)


def make(library: str, variant: str, problem: Problem) -> Training:
    """The training of a contestant.

    Parameters
    ----------
    library, variant : str
        As in `comparison.entrants.KNOWN`.
    problem : Problem
    """
    module = importlib.import_module(f"comparison.{library}_training")
    training: Training = getattr(module, f"{library.capitalize()}Training")(
        problem, variant
    )
    return training


def peak_memory() -> int:
    """The high-water mark of this process's resident memory, in bytes.

    Linux hands the mark that getrusage shows down to a new program, so that it may
    be the parent's; /proc has the one of this program alone.
    """
    try:
        status = Path("/proc/self/status").read_text("utf-8")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (line,) = (x for x in status.splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Serve requests until the standard input closes."""
    library, variant, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    channel = Channel()
    try:
        channel.send({"version": load(library, threads)})
    except Exception as error:
        _fail(channel, error)
        return
    training: Training | None = None
    while request := channel.receive():
        try:
            if request["do"] == "prepare":
                problem = Problem.load(
                    Path(request["folder"]), request["model"], request["batch_size"]
                )
                training = make(library, variant, problem)
                channel.send({"losses": training.first_losses(request["steps"])})
            elif request["do"] == "run":
                assert training is not None
                seconds, mean_loss = training.timed(request["steps"])
                channel.send({"seconds": seconds, "mean_loss": mean_loss})
            else:
                channel.send({"bytes": peak_memory()})
        except Exception as error:
            _fail(channel, error)


def _fail(channel: Channel, error: Exception) -> None:
    traceback.print_exc()
    reply: dict[str, Any] = {"failure": f"{type(error).__name__}: {error}"[:300]}
    channel.send(reply)


if __name__ == "__main__":
    main()
