"""Products at the edges of the tiles that the conformance cases are too small for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from test_kernels import aligned, backends

from tilewright import kernels
from tilewright.kernels import dispatch
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance.case import Case, difference
from tilewright.kernels.conformance.conv2d import passes
from tilewright.kernels.conformance.convolution import Problem

__all__ = ["backends"]  # the fixture of every test here

# M, N, K. Up to 32 rows or columns: tiles of 16 x 128 and 128 x 16, parts of the
# depth from 64 on.
FEW = (
    (1, 1, 1),
    (1, 1000, 700),
    (16, 128, 64),
    (17, 129, 130),
    (32, 127, 33),
    (32, 33, 15),
    (33, 128, 16),
    (1000, 1, 700),
    (128, 16, 64),
    (129, 17, 130),
    (127, 10, 33),
    (64, 32, 128),
    (128, 33, 16),
)
# Up to 64 columns and rows enough: tiles of 128 x 64.
TALL = ((32_641, 60, 17), (32_768, 64, 32))
# Of convolutions too: pixels of the output, of the input, and a depth of pixels that
# is cut; channels by slices, by fours, and neither.
CONVOLUTIONS = (
    (Problem(1, 182, 181, 16, 32, 1, 2), "conv2d"),
    (Problem(1, 182, 182, 8, 33, 2, 1, padding=1), "conv2d"),
    (Problem(3, 105, 105, 16, 32, 1, 2), "conv2d_backward_input"),
    (Problem(3, 105, 105, 12, 20, 2, 1), "conv2d_backward_input"),
    (Problem(1, 130, 128, 388, 20, 1, 1), "conv2d_backward_weight"),
)


def product_problem(backend: str, M: int, N: int, K: int, ta: bool, tb: bool) -> str:
    """Return what is wrong with a product, all that it does to its output included."""
    rng = np.random.default_rng(M + N)
    a = rng.standard_normal((K, M) if ta else (M, K)).astype(np.float32)
    b = rng.standard_normal((N, K) if tb else (K, N)).astype(np.float32)
    bias, before = (rng.standard_normal(s).astype(np.float32) for s in (N, (M, N)))
    out = before.copy()
    with dispatch.backend(backend):
        kernels.gemm(
            a, b, transpose_a=ta, transpose_b=tb, bias=bias, out=out,
            accumulate=True, activation="relu",
        )  # fmt: skip
    wide = [array.astype(np.float64) for array in (a.T if ta else a, b.T if tb else b)]
    want = np.maximum(wide[0] @ wide[1] + bias + before, 0)
    return difference(out, want, 2e-6) or ""


def case_of(problem: Problem, name: str) -> Case:
    return next(case for case in passes(problem) if case.function == name)


@pytest.fixture(params=["cudasim", "cudasim_shadow", "cudasim_ptx"])
def backend(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Each route, in an order of its own."""
    name: str = request.param
    module: ModuleType = request.getfixturevalue(name)
    module.configure(
        {"cudasim": "random", "cudasim_shadow": "reverse"}.get(name, "forward"), 3, True
    )
    if name == "cudasim_ptx":
        from tilewright.kernels.backends import cudasim

        monkeypatch.setitem(sys.modules, "tilewright._cudasim", module)
        monkeypatch.setitem(dispatch._modules, name, "loaded already")
        monkeypatch.setitem(dispatch._loaded, name, cudasim.over(module))
    yield name
    dispatch._routes.clear()


@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("ta", [False, True])
def test_few_rows_or_columns(backend: str, ta: bool, tb: bool) -> None:
    found = {size: product_problem(backend, *size, ta, tb) for size in FEW}
    assert found == dict.fromkeys(FEW, "")


@pytest.mark.parametrize(("ta", "tb"), [(False, False), (True, True)])
@pytest.mark.parametrize(("M", "N", "K"), TALL)
def test_many_rows_of_few_columns(
    backend: str, M: int, N: int, K: int, ta: bool, tb: bool
) -> None:
    assert product_problem(backend, M, N, K, ta, tb) == ""


@pytest.mark.parametrize(("problem", "name"), CONVOLUTIONS, ids=str)
def test_many_pixels_of_few_channels(backend: str, problem: Problem, name: str) -> None:
    case = case_of(problem, name)
    expected: list[Array] = case.expected()
    assert case.problem(backend, expected) is None


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize(("M", "N"), [(16, 1024), (1024, 16), (32_768, 64)])
def test_no_bank_conflicts(
    cudasim_shadow: ModuleType, M: int, N: int, ta: bool, tb: bool
) -> None:
    K = 32
    a, b = aligned(*((K, M) if ta else (M, K))), aligned(*((N, K) if tb else (K, N)))
    out = aligned(M, N)
    cudasim_shadow.configure("forward", 1, True)
    cudasim_shadow.count_accesses(True)
    with dispatch.backend("cudasim_shadow"):
        kernels.gemm(a, b, transpose_a=ta, transpose_b=tb, out=out)
    counts = cudasim_shadow.access_counts()
    cudasim_shadow.count_accesses(False)
    assert counts["shared_wavefronts"] == counts["shared_ideal"] > 0
    if min(M, N) > 16:  # few rows or columns are read number by number
        assert counts["global_sectors"] == counts["global_ideal"] > 0
