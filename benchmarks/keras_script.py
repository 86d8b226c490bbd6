"""Run one MNIST script by Keras and, its import lines changed, by tilewright.

    python benchmarks/keras_script.py
    python benchmarks/keras_script.py --rounds 2 --save

Five epochs at batch 32, then the test accuracy; beside it the same training in
tilewright's own spelling. Each run is a process of its own with another seed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from comparison.options import begin, finish, parser
from comparison.turns import say

SCRIPTS = Path(__file__).resolve().parent / "comparison"
CONTESTANTS = ("tilewright", "keras")
# What is run, by its name in the table.
RUNS = {
    "tilewright.keras": ("tilewright", "keras_script.py"),
    "tilewright": ("tilewright", "native_script.py"),
    "keras": ("keras", "keras_script.py"),
}
_IMPORT = re.compile(r"^(import|from) tensorflow", re.MULTILINE)
_CHILD = """
import json, os, sys
name, path, seed = sys.argv[1:]
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2")
from tilewright.keras import datasets, utils
utils.set_random_seed(int(seed))
if name == "keras":
    import tensorflow as tf
    tf.keras.utils.set_random_seed(int(seed))
    # The files that are on this machine: there may be no network.
    tf.keras.datasets.mnist.load_data = datasets.mnist.load_data
space = {"__name__": "__main__"}
exec(compile(sys.stdin.read(), path, "exec"), space)
print(json.dumps([space["seconds"], space["accuracy"]]))
"""


def source(name: str) -> str:
    """The script of a run, its import lines changed where it is not Keras's."""
    library, file = RUNS[name]
    text = (SCRIPTS / file).read_text(encoding="utf-8")
    return text if library == "keras" else _IMPORT.sub(r"\1 tilewright", text)


def run(name: str, seed: int, threads: int) -> tuple[float, float]:
    """Seconds of the five epochs and test accuracy."""
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, name, RUNS[name][1], str(seed)],
        input=source(name),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    if child.returncode:
        raise SystemExit(f"{name}: {child.stderr.strip()}")
    seconds, accuracy = json.loads(child.stdout.splitlines()[-1])
    return seconds, accuracy


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, CONTESTANTS).parse_args(arguments)
    report = begin("keras_script", options)
    names = [name for name in RUNS if RUNS[name][0] in options.contestants]
    found = {name: {"seconds": [], "accuracy": []} for name in names}
    for seed in range(options.rounds):
        # Who is first changes, for a machine may get slower or faster.
        for name in names if seed % 2 == 0 else reversed(names):
            seconds, accuracy = run(name, seed, options.threads)
            found[name]["seconds"].append(seconds)
            found[name]["accuracy"].append(accuracy)
            say(f"{name}, seed {seed}: {seconds:.1f} s, accuracy {accuracy:.4f}")
    report.rows = [{"spelling": name, **values} for name, values in found.items()]
    return finish(report, options)


if __name__ == "__main__":
    sys.exit(main())
