"""Every conformance case over each backend, instruction set and thread count."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from kernel_backends import (
    ISAS,
    THREADS,
    algorithm_list,
    best_isa_runs,
    instruction_set,
    needs_extension,
    problems,
)

from tilewright import kernels
from tilewright.kernels import conformance, control
from tilewright.kernels.conformance import Arguments, Case
from tilewright.kernels.conformance.case import difference

CASES: dict[str, list[Case]] = {}
for family in conformance.FAMILIES:
    for case in conformance.cases(family):
        CASES.setdefault(case.function, []).append(case)
ALGORITHMS = [
    (function, name)
    for function in CASES
    for name in (control.algorithms(algorithm_list(function)) if ISAS else ["none"])
]
FORCED_BUT_REFUSED = "was forced but cannot run"


def test_every_kernel_has_cases() -> None:
    # What chooses, counts or names, and computes nothing.
    others = ("control", "dispatch", "shapes", "conformance")
    public = {
        name
        for name, value in vars(kernels).items()
        if inspect.isfunction(value)
        and value.__module__.rpartition(".")[2] not in others
    }
    assert public - {"conv_output_shape"} == set(CASES) == set(conformance.TOLERANCES)


@pytest.mark.parametrize("function", CASES)
def test_names_are_unique(function: str) -> None:
    names = [case.name for case in CASES[function]]
    assert len(set(names)) == len(names) >= 5


@pytest.mark.parametrize("function", CASES)
def test_numpy_in_float32(function: str) -> None:
    assert problems(CASES[function], "numpy") == []


@needs_extension
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("function", CASES)
def test_instruction_set(function: str, isa: str) -> None:
    family = algorithm_list(function)
    # Leaves a name of another set behind, if there is one, so that a kernel which
    # does not run below cannot pass for one that does.
    with kernels.use_isa(ISAS[0] if isa != ISAS[0] else ISAS[-1]):
        CASES[function][0].results("cpu")
    ran = set()
    with kernels.use_isa(isa):
        for case in CASES[function]:
            assert problems([case], "cpu") == []
            ran.add(instruction_set(kernels.last_algorithm(family)))
    # Some algorithms need no instruction set: "ref" may be among them, a third not.
    assert isa in ran <= {isa, "ref"}


@needs_extension
@pytest.mark.parametrize(("function", "algorithm"), ALGORITHMS)
def test_forced_algorithm(function: str, algorithm: str) -> None:
    if not best_isa_runs(algorithm):
        pytest.skip(f"this machine does not have {instruction_set(algorithm)}")
    family = algorithm_list(function)
    with kernels.force_algorithm(family, algorithm):
        found = problems(CASES[function], "cpu")
        taken = len(CASES[function]) - sum(FORCED_BUT_REFUSED in text for text in found)
        assert [text for text in found if FORCED_BUT_REFUSED not in text] == []
        assert taken > 2
        assert kernels.last_algorithm(family) == algorithm


@needs_extension
@pytest.mark.parametrize("function", CASES)
def test_threads_do_not_change_a_bit(function: str) -> None:
    for case in CASES[function]:
        runs = []
        for threads in THREADS:
            kernels.set_num_threads(threads)
            results = case.results("cpu")
            runs.append([result.tobytes() for result in results])
        assert runs.count(runs[0]) == len(runs), str(case)


# A case can fail: were it not so, nothing above would say anything.


def broken(**changes: object) -> Case:
    """A case whose kernel sees other numbers at each call."""
    calls = iter(range(100))

    def build(rng: np.random.Generator) -> Arguments:
        a = np.full((2, 3), 1 + 1e-4 * next(calls), np.float32)
        return Arguments((a, np.ones((3, 4), np.float32)), dict(changes))

    return Case("gemm", "broken", build)


def test_a_wrong_number_is_found() -> None:
    case = broken()
    wanted = case.expected()
    results = [result * (1 + 1e-5) for result in wanted]
    assert difference(wanted[0].astype(np.float32), results[0], 2e-6) is not None
    assert difference(wanted[0].astype(np.float32), results[0], 2e-5) is None


def test_a_changed_input_is_found() -> None:
    problem = broken().problem("numpy")
    assert problem is not None and "an input has changed" in problem


def test_an_error_is_a_problem() -> None:
    def build(rng: np.random.Generator) -> Arguments:
        return Arguments((np.ones((2, 3), np.float32),) * 2)

    case = Case("gemm", "does not fit", build)
    problem = case.problem("numpy", [np.ones((2, 3))])
    assert problem is not None and problem.startswith("ValueError: gemm: a has 3")


@pytest.mark.parametrize(
    ("got", "wanted", "tolerance", "message"),
    [
        (np.float32([1, 2]), np.float64([1, 2.001]), 1e-6, "error 4.47e-04, at most"),
        (np.float64([1, 2]), np.float64([1, 2]), 1e-6, "dtype float64 instead of"),
        (np.float32([[1]]), np.float64([1]), 1e-6, "shape"),
        (np.float32([1, 2]), np.float64([1, np.nan]), 1.0, "NaN or infinity expected"),
        (np.float32([np.inf]), np.float64([-np.inf]), 1.0, "NaN or infinity expected"),
        (np.float32([1, np.nan]), np.float64([1, 2]), 1.0, "where a number is"),
        (np.float32([1e-30]), np.float64([0]), 1e-6, "error inf"),
        (np.uint8([1, 2, 3]), np.uint8([1, 0, 0]), 1.0, "2 of 3 codes differ"),
        (np.int32([1]), np.uint8([1]), 1.0, "dtype int32 instead of uint8"),
    ],
)
def test_differences_are_told(
    got: np.ndarray, wanted: np.ndarray, tolerance: float, message: str
) -> None:
    told = difference(got, wanted, tolerance)
    assert told is not None and message in told


def test_equal_results_differ_in_nothing() -> None:
    values = np.array([1, np.nan, np.inf, -np.inf, 0])
    assert difference(values.astype(np.float32), values, 0.0) is None
    codes = np.array([[0, 255]], np.uint8)
    assert difference(codes, codes.copy(), 0.0) is None
    assert difference(np.zeros((0, 3), np.float32), np.zeros((0, 3)), 0.0) is None
