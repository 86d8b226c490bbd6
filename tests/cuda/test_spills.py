"""What tools/cuda_spills.py reads from a build's log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "cuda_spills.py"
ENTRY = """\
ptxas info    : Compiling entry function '{name}' for '{architecture}'
ptxas info    : Function properties for {name}
    0 bytes stack frame, {spilled} bytes spill stores, {spilled} bytes spill loads
ptxas info    : Used {registers} registers, used 1 barriers, 360 bytes cmem[0]
"""


def run(folder: Path, log: str) -> tuple[int, list[str]]:
    file = folder / "log"
    file.write_text(log)
    result = subprocess.run(
        [sys.executable, str(SCRIPT), str(file)], capture_output=True, text=True
    )
    return result.returncode, result.stdout.splitlines()


def entry(name: str, architecture: str, registers: int, spilled: int = 0) -> str:
    return ENTRY.format(
        name=name, architecture=architecture, registers=registers, spilled=spilled
    )


def test_kernels_are_counted_by_architecture(tmp_path: Path) -> None:
    log = "[1/9] Building CUDA object\n" + entry("_Z1a", "sm_75", 32)
    log += entry("_Z1b", "sm_75", 128) + "warning: x\n" + entry("_Z1a", "sm_90a", 40)
    assert run(tmp_path, log) == (
        0,
        [
            "sm_75: 2 kernels, up to 128 registers, 0 spill",
            "sm_90a: 1 kernels, up to 40 registers, 0 spill",
        ],
    )


def test_a_spill_is_a_failure(tmp_path: Path) -> None:
    log = entry("_Z1a", "sm_75", 255, 24) + entry("_Z1b", "sm_75", 16)
    status, lines = run(tmp_path, log)
    assert status == 1
    assert lines == [
        "sm_75: 2 kernels, up to 255 registers, 1 spill",
        "    _Z1a: 48 bytes",
    ]


def test_an_empty_log_is_a_failure(tmp_path: Path) -> None:
    assert run(tmp_path, "nothing was compiled\n")[0] == 1
