"""Run `tilewright` as a new user would: a process of its own, no network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tilewright.kernels import dispatch

HAS_EXTENSION = dispatch.unavailable_reason("cpu") is None
NO_EXTENSION = "the compiled extension is not here"


def environment(cache: Path, data_dir: Path | None) -> dict[str, str]:
    """A user's environment in which every attempt at a download fails."""
    variables = dict(os.environ)
    for name in ("TILEWRIGHT_DATA_DIR", "TILEWRIGHT_BACKEND", "NO_PROXY", "no_proxy"):
        variables.pop(name, None)
    dead = "http://127.0.0.1:9"
    variables.update(
        HTTP_PROXY=dead,
        HTTPS_PROXY=dead,
        http_proxy=dead,
        https_proxy=dead,
        TILEWRIGHT_CACHE_DIR=str(cache),
        COLUMNS="100",
    )
    if data_dir is not None:
        variables["TILEWRIGHT_DATA_DIR"] = str(data_dir)
    return variables


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "tilewright", *map(str, words)]


def tilewright(
    *words: str | Path, cache: Path, data_dir: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        env=environment(cache, data_dir),
        cwd=cache,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
