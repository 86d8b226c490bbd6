"""The harness's end of a contestant's process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import tilewright
from tilewright.bench.contestants import Contestant, environment
from tilewright.errors import TilewrightError

_TIMEOUT_SECONDS = 600.0
_START = "from tilewright.bench.worker import main; main()"


def _arguments(contestant: Contestant, threads: int) -> list[str]:
    """What the worker reads from its command line."""
    return [
        contestant.library,
        str(threads),
        contestant.device,
        contestant.precision,
    ]


class ContestantError(TilewrightError):
    """A contestant could not do what it was asked; the message says why."""


class Process:
    """One contestant's process; see `tilewright.bench.worker` for what it answers.

    Parameters
    ----------
    contestant : Contestant
    threads : int
    folder : Path
        Where it runs and keeps a log of what its library prints.
    command : list of str, optional
        What is run in place of the worker.

    Attributes
    ----------
    contestant : Contestant
    version : str
        Of its library.

    Raises
    ------
    ContestantError
        If the library cannot be imported there.
    """

    def __init__(
        self,
        contestant: Contestant,
        threads: int,
        folder: Path,
        command: list[str] | None = None,
    ) -> None:
        self.contestant = contestant
        self._log = folder / f"{contestant.name.replace(' ', '-')}.log"
        variables = environment(contestant, threads)
        # It must find the tilewright that runs here, wherever that was imported
        # from.
        package = Path(tilewright.__file__).resolve().parents[1]
        paths = [str(package), *filter(None, [variables.get("PYTHONPATH")])]
        variables["PYTHONPATH"] = os.pathsep.join(paths)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command
                or [sys.executable, "-c", _START, *_arguments(contestant, threads)],
                cwd=folder,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self.version = str(self._reply()["version"])
        except ContestantError:
            self.close()
            raise

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Parameters
        ----------
        **request
            As JSON types.

        Returns
        -------
        dict

        Raises
        ------
        ContestantError
            If it failed, ended, or did not answer in ten minutes.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContestantError(self._ended()) from None
        return self._reply()

    def alive(self) -> bool:
        """Whether the process is still there to be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _TIMEOUT_SECONDS)
        if not ready:
            self._process.kill()
            raise ContestantError(f"no answer in {_TIMEOUT_SECONDS:.0f} s")
        line = self._process.stdout.readline()
        try:
            reply: dict[str, Any] = json.loads(line)
        except ValueError:
            raise ContestantError(self._ended()) from None
        if "failure" in reply:
            raise ContestantError(str(reply["failure"]))
        return reply

    def _ended(self) -> str:
        lines = self._log.read_text(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"its process ended{': ' + said[-1] if said else ''}"
