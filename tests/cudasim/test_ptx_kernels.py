"""The kernels as nvcc compiles them: its PTX, and its host code, on the simulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import test_precisions
from simulator import ORDERS
from test_kernels import aligned, problems

import tilewright as tw
from tilewright import kernels
from tilewright.kernels import conformance, dispatch

BACKEND = "cudasim_ptx"


@pytest.fixture(autouse=True)
def backend(cudasim_ptx: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module as a backend, for as long as a test runs."""
    monkeypatch.setitem(sys.modules, "tilewright._cudasim", cudasim_ptx)
    from tilewright.kernels.backends import cudasim

    monkeypatch.setitem(dispatch._modules, BACKEND, "loaded already")
    monkeypatch.setitem(dispatch._loaded, BACKEND, cudasim.over(cudasim_ptx))
    yield
    dispatch._routes.clear()


@pytest.mark.parametrize("family", conformance.FAMILIES)
def test_conformance(cudasim_ptx: ModuleType, family: str) -> None:
    assert cudasim_ptx.shadow
    order = ORDERS[conformance.FAMILIES.index(family) % len(ORDERS)]
    cudasim_ptx.configure(order, 3, True)
    assert problems(BACKEND, family) == []


@pytest.mark.parametrize("family", ["gemm", "edges"])
@pytest.mark.parametrize("precision", ["3xtf32", "tf32", "bf16"])
def test_conformance_of_tensor_cores(
    cudasim_ptx: ModuleType, precision: str, family: str
) -> None:
    cudasim_ptx.configure("random", 5, precision != "tf32")
    assert test_precisions.problems(BACKEND, family, precision) == []


@pytest.mark.parametrize("precision", ["3xtf32", "tf32", "bf16"])
def test_conformance_on_hopper(cudasim_ptx: ModuleType, precision: str) -> None:
    """The PTX for sm_90a: wgmma, the copy engine, mbarriers, as nvcc writes them."""
    cudasim_ptx.configure(
        "random", 5, precision != "tf32", hopper=True, multiprocessors=2
    )
    cudasim_ptx.choose_tensor_core_algorithm("hopper")
    try:
        assert test_precisions.problems(BACKEND, "gemm", precision) == []
    finally:
        cudasim_ptx.choose_tensor_core_algorithm("automatic")


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_products_have_no_bank_conflicts(
    cudasim_ptx: ModuleType, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    size, K = 128, 32
    a = aligned(K, size) if transpose_a else aligned(size, K)
    b = aligned(size, K) if transpose_b else aligned(K, size)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    out = aligned(size, size)
    cudasim_ptx.configure("forward", 1, True)
    cudasim_ptx.count_accesses(True)
    with tw.cuda.use_matmul_precision(precision), dispatch.backend(BACKEND):
        kernels.gemm(a, b, out=out, **options)
    counts = cudasim_ptx.access_counts()
    cudasim_ptx.count_accesses(False)
    # Of the 32 stores of two floats with which a thread of the tensor cores' kernels
    # ends, nvcc 13.0 makes one two stores of one float, which meet in their banks.
    split = 0 if precision == "fp32" else 16
    if precision == "fp32" and transpose_a and transpose_b:
        # Here it stores a quad in the loop as four floats, which ptxas joins again
        # (figures.md: STS.128): 12 wavefronts for each of 8 warps of 4 blocks.
        split = 12 * 8 * 4
    assert 0 < counts["shared_wavefronts"] <= counts["shared_ideal"] + split
    assert counts["global_sectors"] == counts["global_ideal"] > 0
    # Each instruction of the emitted code by itself, with its line in the source.
    names = cudasim_ptx.access_counts_of_each()
    assert all(".cu" in name and ".ptx:" in name for name in names)
