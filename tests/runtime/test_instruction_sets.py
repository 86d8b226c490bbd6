"""TILEWRIGHT_ISA and TILEWRIGHT_LOG."""

from __future__ import annotations

import pytest
from processes import run_python

from tilewright import kernels

REPORT = """
from tilewright import _cpu
digest(0)
print(_cpu.isa(), _cpu.last_algorithm("gemm"), _cpu.last_algorithm("conv2d"))
"""


def isas() -> list[str]:
    try:
        return list(kernels.available_isas())
    except Exception:  # no extension: every test of this folder is skipped
        return ["ref"]


@pytest.mark.parametrize("isa", isas())
def test_a_forced_instruction_set_runs(isa: str) -> None:
    in_force, *algorithms = run_python(REPORT, TILEWRIGHT_ISA=isa).split()
    assert in_force == isa
    assert all(name.endswith(isa) for name in algorithms), algorithms


def test_the_best_runs_by_itself() -> None:
    assert run_python(REPORT).split()[0] == isas()[0]


def test_an_unavailable_name_does_not_prevent_the_import() -> None:
    assert run_python(REPORT, TILEWRIGHT_ISA="avx9000").split()[0] == isas()[0]


def test_the_list_ends_with_plain_loops() -> None:
    names = isas()
    assert names[-1] == "ref" and len(set(names)) == len(names)


LOGGED = """
with tw.backend("cpu"):
    kernels.gemm(np.ones((4, 4), np.float32), np.ones((4, 4), np.float32))
"""


def test_log_names_the_algorithm() -> None:
    printed = run_python(LOGGED, TILEWRIGHT_LOG="algorithms")
    assert "tilewright: gemm: " in printed


def test_log_says_why_others_were_passed_over() -> None:
    printed = run_python(LOGGED, TILEWRIGHT_LOG="algorithms", TILEWRIGHT_ISA="ref")
    assert printed.splitlines()[-1] == "tilewright: gemm: ref"
    if len(isas()) > 1:
        assert "passed over" in printed
        assert "its instruction set is not in force" in printed


def test_nothing_is_logged_unasked() -> None:
    assert run_python(LOGGED, TILEWRIGHT_LOG=None) == ""
