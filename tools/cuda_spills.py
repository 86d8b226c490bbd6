"""Count the kernels that ptxas has compiled, and fail where one spills registers.

    python tools/cuda_spills.py LOG

LOG is what a build printed with ``-Xptxas -v``. Prints, for each architecture, how many
kernels there are, the most registers that one uses, and the spills.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


@dataclass(frozen=True)
class Kernel:
    """A kernel as compiled for one architecture."""

    name: str
    architecture: str
    registers: int
    spilled: int  # bytes stored and loaded again


def kernels(log: str) -> list[Kernel]:
    """The kernels of a log."""
    found = []
    parts = ENTRY.split(log)[1:]
    for name, architecture, text in zip(
        parts[::3], parts[1::3], parts[2::3], strict=True
    ):
        used, spills = REGISTERS.search(text), SPILLS.search(text)
        if used is None or spills is None:
            raise ValueError(f"no figures of {name} for {architecture} in the log")
        spilled = int(spills[1]) + int(spills[2])
        found.append(Kernel(name, architecture, int(used[1]), spilled))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("log", type=Path)
    found = kernels(parser.parse_args().log.read_text(errors="replace"))
    if not found:
        print("no kernel was compiled, or not with -Xptxas -v")
        return 1
    of: dict[str, list[Kernel]] = defaultdict(list)
    for kernel in found:
        of[kernel.architecture].append(kernel)
    for architecture, some in of.items():
        most = max(kernel.registers for kernel in some)
        spilling = [kernel for kernel in some if kernel.spilled]
        print(
            f"{architecture}: {len(some)} kernels, up to {most} registers, "
            f"{len(spilling)} spill"
        )
        for kernel in spilling:
            print(f"    {kernel.name}: {kernel.spilled} bytes")
    return int(any(kernel.spilled for kernel in found))


if __name__ == "__main__":
    sys.exit(main())
