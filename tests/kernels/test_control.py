"""Threads, instruction sets and algorithms, and what happens without the extension."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from kernel_backends import ISAS, algorithm_list, instruction_set, needs_extension

import tilewright as tw
from tilewright import kernels
from tilewright.kernels import control
from tilewright.kernels.conformance import TOLERANCES

X = np.ones((4, 4), np.float32)


def last_gemm() -> str:
    with kernels.backend("cpu"):
        kernels.gemm(X, X)
    return kernels.last_algorithm("gemm")


@needs_extension
def test_threads() -> None:
    for threads in (1, 5, 4096, np.int64(2)):
        kernels.set_num_threads(threads)
        assert kernels.get_num_threads() == threads == tw.get_num_threads()


@pytest.mark.parametrize(
    ("threads", "error", "message"),
    [
        (0, ValueError, "threads must be at least 1, got 0"),
        (-1, ValueError, "threads must be at least 1, got -1"),
        (4097, ValueError, "threads must be at most 4096, got 4097"),
        (2.0, TypeError, "threads must be an int, got float"),
        (True, TypeError, "threads must be an int, got True"),
        (None, TypeError, "threads must be an int, got NoneType"),
    ],
)
def test_threads_refused(threads, error, message) -> None:
    before = kernels.get_num_threads()
    with pytest.raises(error, match=f"^set_num_threads: {message}"):
        kernels.set_num_threads(threads)
    assert kernels.get_num_threads() == before


@needs_extension
def test_default_threads_name_their_source() -> None:
    threads, source = kernels.default_num_threads()
    assert threads >= 1 and source


@needs_extension
def test_every_isa_can_be_used_and_is_undone() -> None:
    before = kernels.isa()
    for name in ISAS:
        with kernels.use_isa(name):
            assert kernels.isa() == name
            assert last_gemm().endswith(name)
            with kernels.use_isa("ref"):
                assert last_gemm() == "ref"
            assert kernels.isa() == name
    with pytest.raises(KeyError), kernels.use_isa("ref"):
        raise KeyError
    assert kernels.isa() == before


@needs_extension
def test_an_unknown_isa_is_refused() -> None:
    with (
        pytest.raises(
            ValueError, match="^use_isa: name must be one of .*'ref', got 'm"
        ),
        kernels.use_isa("mmx"),
    ):
        pass


@needs_extension
def test_lists_of_algorithms() -> None:
    lists = kernels.all_algorithms()
    assert set(lists) == {algorithm_list(function) for function in TOLERANCES}
    for family, names in lists.items():
        assert names == kernels.algorithms(family)
        assert instruction_set(names[-1]) == "ref" and len(set(names)) == len(names)
        # At least one for each instruction set that this machine has.
        for isa in ISAS:
            assert isa in map(instruction_set, names), (family, isa)


@needs_extension
def test_forcing_nests_and_is_undone() -> None:
    with kernels.use_isa(ISAS[0]):
        best = last_gemm()
        names = kernels.algorithms("gemm")
        with kernels.force_algorithm("gemm", "ref"):
            assert last_gemm() == "ref"
            with kernels.force_algorithm("gemm", best):
                assert last_gemm() == best
            assert last_gemm() == "ref"
        assert last_gemm() == best == names[0] or best in names
        with pytest.raises(KeyError), kernels.force_algorithm("gemm", "ref"):
            raise KeyError
        assert last_gemm() == best


@needs_extension
def test_a_forced_algorithm_runs_or_fails() -> None:
    name = kernels.algorithms("gemm")[0]
    if name == "ref":
        pytest.skip("plain loops are all that this machine has")
    message = (
        rf"gemm: algorithm '{name}' was forced but cannot run: its instruction set"
    )
    with (
        kernels.use_isa("ref"),
        kernels.force_algorithm("gemm", name),
        pytest.raises(ValueError, match=message),
    ):
        last_gemm()


@needs_extension
def test_unknown_algorithms_are_refused() -> None:
    with (
        pytest.raises(
            ValueError, match="^force_algorithm: name must be one of .*'ref'"
        ),
        kernels.force_algorithm("gemm", "strassen"),
    ):
        pass
    with (
        pytest.raises(ValueError, match="^algorithms: family must be one of 'gemm'"),
        kernels.force_algorithm("gem", "ref"),
    ):
        pass
    with pytest.raises(ValueError, match="^algorithms: family must be one of"):
        kernels.algorithms("attention")
    with pytest.raises(ValueError, match="^last_algorithm: family must be one of"):
        kernels.last_algorithm("attention")
    assert last_gemm() in kernels.algorithms("gemm")


@needs_extension
def test_the_last_algorithm_is_the_threads_own() -> None:
    from concurrent.futures import ThreadPoolExecutor

    assert last_gemm()
    with ThreadPoolExecutor(1) as pool:
        fresh = pool.submit(kernels.last_algorithm, "gemm").result()
    assert fresh == ""


@needs_extension
def test_build_info() -> None:
    info = kernels.build_info()
    assert set(info) == {"version", "compiler", "sanitizers"}
    assert info["compiler"]


def test_without_the_extension() -> None:
    code = """
import sys
sys.modules["tilewright._cpu"] = None
from tilewright import kernels
from tilewright.errors import BackendUnavailableError
assert kernels.get_num_threads() == 1
kernels.set_num_threads(3)
assert kernels.get_num_threads() == 1
try:
    kernels.set_num_threads(0)
except ValueError:
    pass
else:
    raise AssertionError("0 threads")
calls = [
    kernels.isa, kernels.available_isas, kernels.default_num_threads,
    kernels.all_algorithms, kernels.build_info,
    lambda: kernels.algorithms("gemm"), lambda: kernels.last_algorithm("gemm"),
    lambda: kernels.use_isa("ref").__enter__(),
    lambda: kernels.force_algorithm("gemm", "ref").__enter__(),
]
for call in calls:
    try:
        call()
    except BackendUnavailableError as error:
        assert "compiled extension" in str(error), error
    else:
        raise AssertionError("something answered")
print("fine")
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ
    )
    assert result.stdout == "fine\n", result.stderr


def test_lists_are_named_after_kernels() -> None:
    assert set(control.LISTS) == {algorithm_list(name) for name in TOLERANCES}
