"""Measure how long importing tilewright takes beyond NumPy's own import.

    python tools/measure_import.py [RUNS]

Each run is a new process that imports NumPy first; the median of all runs is
printed. The first line is ``import tilewright``, the second what a program that
uses it needs: the kernels with the extension, autograd, layers, optimizers, data.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

STATEMENTS = {
    "import tilewright": "import tilewright",
    "everything a training program imports": (
        "import tilewright as tw; from tilewright import kernels, nn, optim, data; "
        "tw.Tensor; tw.Trainer; tw.info()['backend']"
    ),
}
CHILD = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
{statement}
end = time.perf_counter()
print(middle - start, end - middle)
"""


def measure(statement: str, runs: int) -> tuple[float, float]:
    """Return the medians of NumPy's import and of the statement, in seconds."""
    numpy_times, times = [], []
    for _ in range(runs + 1):
        output = subprocess.run(
            [sys.executable, "-c", CHILD.format(statement=statement)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        numpy_times.append(float(output[0]))
        times.append(float(output[1]))
    # The first run may have compiled the Python files.
    return statistics.median(numpy_times[1:]), statistics.median(times[1:])


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    for name, statement in STATEMENTS.items():
        numpy_time, time = measure(statement, runs)
        print(
            f"{name}: {1000 * time:.1f} ms beyond NumPy's {1000 * numpy_time:.1f} ms "
            f"(median of {runs} processes)"
        )


if __name__ == "__main__":
    main()
