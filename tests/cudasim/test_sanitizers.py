"""The kernels under AddressSanitizer and UBSan: what neither order nor shadow sees.

UBSan knows the extents of the arrays inside of a kernel's shared memory, which no
tool on a GPU does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulator import build

# Clang's names and GCC's, which Clang finds too.
ASAN = ("libclang_rt.asan.so", "libclang_rt.asan-x86_64.so", "libasan.so")
CASES = """
import sys
sys.path.insert(0, {here!r})
from simulator import Path, load
module = load(Path({folder!r}), "_cudasim")
sys.modules["tilewright._cudasim"] = module
from tilewright.kernels import conformance, dispatch
dispatch.register("cudasim", dispatch.BACKENDS + ".cudasim")
module.configure("random", 3, True)
for family in conformance.FAMILIES:
    for case in conformance.cases(family):
        problem = case.problem("cudasim")
        assert problem is None, (str(case), problem)
# What tensor cores round is compared elsewhere (test_precisions.py).
from tilewright.kernels.matmul_precision import use_matmul_precision
module.configure("random", 3, True, hopper=True, multiprocessors=2)
for algorithm in "mma_sync", "hopper":
    module.choose_tensor_core_algorithm(algorithm)
    for precision in "3xtf32", "bf16":
        with use_matmul_precision(precision):
            for case in conformance.cases("gemm"):
                case.results("cudasim")
print("all passed")
"""
PLANTED = """
import sys
sys.path.insert(0, {here!r})
import numpy as np
from simulator import Path, Planted, load
planted = Planted(load(Path({folder!r}), "_planted"))
out = planted.run({name!r}, np.ones(64, np.float32), 64, n={n})
print("nothing found")
"""


@pytest.fixture(scope="session")
def sanitized(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sanitized")
    return build(folder, "_cudasim", "_planted", sanitize=True)


def library(compiler: str, *names: str) -> str:
    """Return the first of a compiler's libraries that is there."""
    for name in names:
        command = [compiler, f"-print-file-name={name}"]
        found = subprocess.check_output(command, text=True).strip()
        if os.path.isabs(found):
            return found
    pytest.skip(f"{compiler} has no {' or '.join(names)}")


def run(script: str, folder: Path, **values: object) -> tuple[int, str]:
    """Run a script with the sanitizers' run-time loaded first."""
    compiler = os.environ.get("CXX", "c++")
    libraries = [library(compiler, *ASAN), library(compiler, "libstdc++.so")]
    here = str(Path(__file__).parent)
    result = subprocess.run(
        [sys.executable, "-c", script.format(here=here, folder=str(folder), **values)],
        env={
            **os.environ,
            "LD_PRELOAD": " ".join(libraries),
            "PYTHONMALLOC": "malloc",
            "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    return result.returncode, result.stdout


def test_conformance(sanitized: Path) -> None:
    status, output = run(CASES, sanitized)
    assert (status, output) == (0, "all passed\n")


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("shared_beyond", 1024, "heap-buffer-overflow"),
        ("past_an_array", 32, "index 32 out of bounds for type 'float"),
    ],
)
def test_defects_are_found(sanitized: Path, name: str, n: int, message: str) -> None:
    status, output = run(PLANTED, sanitized, name=name, n=n)
    assert status != 0 and message in output, output
    assert "planted.cu" in output
