"""Matrix products on tensor cores: every case of gemm at every precision."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from test_kernels import aligned, backends, expected

import tilewright as tw
from tilewright import kernels
from tilewright.kernels import conformance, dispatch
from tilewright.kernels.conformance.case import difference

__all__ = ["backends"]  # the fixture of every test here

LIMITS = {"fp32": 2e-6, "3xtf32": 4e-6, "tf32": 1e-3, "bf16": 1e-2}
# Sizes around the edges of tiles (128) and slices (16), and a depth that is split.
EDGES = (
    (128, 128, 16),
    (129, 127, 17),
    (127, 129, 15),
    (256, 128, 48),
    (4, 4, 4),
    (130, 260, 80),
    (64, 32, 1100),
    (33, 35, 1025),
)


def problems(backend: str, precision: str) -> list[str]:
    found = []
    limit = LIMITS[precision]
    with tw.cuda.use_matmul_precision(precision):
        for case in conformance.cases("gemm"):
            if precision == "3xtf32" and case.name == "infinity stays":
                continue  # infinity minus what it is rounded to is NaN
            results = case.results(backend)
            for got, want in zip(results, expected(case), strict=True):
                # Few numbers may all have lost digits in their sums.
                few = precision != "fp32" and got.size < 16
                wrong = difference(got, want, 4 * limit if few else limit)
                if wrong is not None:
                    found.append(f"{case}: {wrong}")
    return found


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("precision", LIMITS)
def test_conformance(cudasim: ModuleType, precision: str, late: bool) -> None:
    cudasim.configure("random", 5, late)
    assert problems("cudasim", precision) == []


@pytest.mark.parametrize("precision", ["3xtf32", "tf32", "bf16"])
def test_conformance_with_every_access_watched(
    cudasim_shadow: ModuleType, precision: str
) -> None:
    cudasim_shadow.configure("random", 5, True)
    assert problems("cudasim_shadow", precision) == []


@pytest.mark.parametrize("precision", LIMITS)
@pytest.mark.parametrize(("M", "N", "K"), EDGES)
def test_edges(cudasim: ModuleType, M: int, N: int, K: int, precision: str) -> None:
    cudasim.configure("reverse", 1, True)
    rng = np.random.default_rng(2)
    a = rng.standard_normal((M, K), np.float32)
    b = rng.standard_normal((K, N), np.float32)
    want = a.astype(np.float64) @ b
    with tw.cuda.use_matmul_precision(precision), dispatch.backend("cudasim"):
        for ta in (False, True):
            for tb in (False, True):
                got = kernels.gemm(
                    np.ascontiguousarray(a.T) if ta else a,
                    np.ascontiguousarray(b.T) if tb else b,
                    transpose_a=ta,
                    transpose_b=tb,
                )
                assert difference(got, want, LIMITS[precision]) is None


def test_precisions_differ(cudasim: ModuleType) -> None:
    """Each is as good as it says, and no better: the tensor cores did run."""
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal((96, 96), np.float32) for _ in range(2))
    want = a.astype(np.float64) @ b
    errors = []
    for precision in ("3xtf32", "tf32", "bf16"):
        with tw.cuda.use_matmul_precision(precision), dispatch.backend("cudasim"):
            got = kernels.gemm(a, b)
        errors.append(np.linalg.norm(got - want) / np.linalg.norm(want))
    assert errors[0] < 1e-6
    assert 1e-4 < errors[1] < 6e-4
    assert 1e-3 < errors[2] < 5e-3


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_no_bank_conflicts(
    cudasim_shadow: ModuleType, transpose_a: bool, transpose_b: bool, precision: str
) -> None:
    size, K = 128, 64
    a = aligned(K, size) if transpose_a else aligned(size, K)
    b = aligned(size, K) if transpose_b else aligned(K, size)
    out = aligned(size, size)
    cudasim_shadow.configure("forward", 1, True)
    cudasim_shadow.count_accesses(True)
    with (
        tw.cuda.use_matmul_precision(precision),
        dispatch.backend("cudasim_shadow"),
    ):
        kernels.gemm(a, b, transpose_a=transpose_a, transpose_b=transpose_b, out=out)
    counts = cudasim_shadow.access_counts()
    cudasim_shadow.count_accesses(False)
    assert counts["shared_wavefronts"] == counts["shared_ideal"] > 0
    assert counts["global_sectors"] == counts["global_ideal"] > 0


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="name must be one of 'fp32', '3xtf32', 'tf3"):
        tw.cuda.set_matmul_precision("fp16")
