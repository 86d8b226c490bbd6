"""What the kernels can run on here, and how to run and compare on each."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tilewright import kernels
from tilewright.kernels import control, dispatch
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance import Arguments, Case

HAS_EXTENSION = dispatch.unavailable_reason("cpu") is None
needs_extension = pytest.mark.skipif(
    not HAS_EXTENSION, reason="the compiled extension is not here"
)
BACKENDS = [
    pytest.param("cpu", marks=needs_extension),
    pytest.param("numpy"),
]
ISAS = kernels.available_isas() if HAS_EXTENSION else []
THREADS = (1, 2, 3, 7)
SANITIZED = HAS_EXTENSION and bool(kernels.build_info()["sanitizers"])

# The same examples in every run: a failure can be repeated, and a result that
# happens to cancel to nothing does not come and go.
drawn = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@functools.cache
def expected(case: Case) -> list[Array]:
    """The case's results in float64, computed once for all backends."""
    return case.expected()


def problems(cases: list[Case], backend: str) -> list[str]:
    """What is wrong with the cases on a backend; empty where all is well."""
    found = ((case, case.problem(backend, expected(case))) for case in cases)
    return [f"{case}: {problem}" for case, problem in found if problem is not None]


def assert_agrees(
    function: str, backend: str, *args: object, **options: object
) -> None:
    """Assert that a call in float32 agrees with numpy's in float64."""
    case = Case(function, "drawn", lambda rng: Arguments(args, dict(options)))
    problem = case.problem(backend)
    assert problem is None, problem


def relative_error(got: Array, expected: Array) -> float:
    """The error of an array, relative in the norm."""
    assert got.shape == expected.shape
    scale = float(np.linalg.norm(expected.astype(np.float64).ravel()))
    distance = float(np.linalg.norm((got.astype(np.float64) - expected).ravel()))
    return distance / scale if scale else distance


def algorithm_list(function: str) -> str:
    """The list of algorithms that a kernel takes its own from."""
    others = {
        "adagrad_step": "rmsprop_step",
        "axis_sum": "bias_gradient",
        "concatenate": "copy",
        "linear_softmax_cross_entropy": "softmax_cross_entropy",
    }
    if "pool2d" in function and "conv" not in function:
        return "pool2d"
    return others.get(function, function)


def instruction_set(algorithm: str) -> str:
    """The instruction set in an algorithm's name; without one it needs none."""
    last = algorithm.rpartition("_")[2]
    return last if last in ("avx512", "avx2", "neon") else "ref"


def best_isa_runs(algorithm: str) -> bool:
    """Whether this machine has an algorithm's instruction set."""
    return instruction_set(algorithm) in control.available_isas()
