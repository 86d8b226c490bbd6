"""Products and convolutions on tensor cores: every case of gemm and conv2d."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from test_kernels import aligned, backends, expected

import tilewright as tw
from tilewright import kernels
from tilewright.kernels import conformance, dispatch
from tilewright.kernels.conformance.case import difference
from tilewright.kernels.conformance.conv2d import passes
from tilewright.kernels.conformance.convolution import Problem

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


# Convolutions at the same edges: pixels, output channels (a tile has 64 or 128), and
# channels by fours and by slices; strides, whose gradients come in phases; groups.
CONVOLUTIONS = (
    Problem(1, 12, 11, 16, 64, padding=1),
    Problem(2, 8, 8, 32, 65, padding=1),
    Problem(1, 13, 10, 20, 132, padding=1),
    Problem(1, 9, 9, 48, 128, 1, 1),
    Problem(1, 11, 12, 5, 63, padding=2),
    Problem(2, 15, 14, 16, 32, stride=2, padding=1),
    Problem(1, 16, 17, 32, 16, 2, 2, stride=3),
    Problem(1, 17, 16, 16, 20, stride=(2, 3), dilation=(3, 2), padding=3),
    Problem(1, 12, 12, 16, 32, 5, 5, stride=4, dilation=2, padding=4),
    Problem(1, 10, 10, 64, 96, groups=2, padding=1),
    Problem(1, 4, 4, 256, 16, padding=1),
    Problem(3, 20, 20, 16, 16, padding=1),
)
CASES = {
    "gemm": conformance.cases("gemm"),
    "conv2d": conformance.cases("conv2d"),
    "edges": tuple(case for d in CONVOLUTIONS for case in passes(d)),
}


def problems(backend: str, family: str, precision: str) -> list[str]:
    found = []
    limit = LIMITS[precision]
    with tw.cuda.use_matmul_precision(precision):
        for case in CASES[family]:
            if precision == "3xtf32" and case.name == "infinity stays":
                continue  # infinity minus what it is rounded to is NaN
            results = case.results(backend)
            for got, want in zip(results, expected(case), strict=True):
                if got.dtype.kind != "f":
                    continue  # of maxima that rounding has made equal, either
                # Few numbers may all have lost digits in their sums.
                few = precision != "fp32" and got.size < 16
                wrong = difference(got, want, 4 * limit if few else limit)
                if wrong is not None:
                    found.append(f"{case}: {wrong}")
    return found


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("precision", LIMITS)
@pytest.mark.parametrize("family", CASES)
def test_conformance(
    cudasim: ModuleType, family: str, precision: str, late: bool
) -> None:
    cudasim.configure("random" if late else "reverse", 5, late)
    assert problems("cudasim", family, precision) == []


@pytest.mark.parametrize("precision", ["3xtf32", "tf32", "bf16"])
@pytest.mark.parametrize("family", ["gemm", "edges"])
def test_conformance_with_every_access_watched(
    cudasim_shadow: ModuleType, family: str, precision: str
) -> None:
    cudasim_shadow.configure("random", 5, True)
    assert problems("cudasim_shadow", family, precision) == []


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


def traffic(shadow: ModuleType, call: Callable[[], object]) -> dict[str, int]:
    shadow.configure("forward", 1, True)
    shadow.count_accesses(True)
    with dispatch.backend("cudasim_shadow"):
        call()
    counts: dict[str, int] = shadow.access_counts()
    shadow.count_accesses(False)
    return counts


@pytest.mark.parametrize("C", [16, 32])
@pytest.mark.parametrize("K", [64, 128])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_convolutions_have_no_bank_conflicts(
    cudasim_shadow: ModuleType, C: int, K: int, stride: int, precision: str
) -> None:
    """Nor does the forward pass touch sectors that it does not use."""
    x, weight = aligned(2, 8, 8, C), aligned(3, 3, C, K)
    y = aligned(2, 8 // stride, 8 // stride, K)
    steps = {"stride": stride, "padding": 1}
    calls = (
        lambda: kernels.conv2d(x, weight, **steps, out=y),
        lambda: kernels.conv2d_backward_input(y, weight, x.shape, **steps, out=x),
        lambda: kernels.conv2d_backward_weight(x, y, 3, **steps),
    )
    for call in calls:
        with tw.cuda.use_matmul_precision(precision):
            counts = traffic(cudasim_shadow, call)
        assert counts["shared_wavefronts"] == counts["shared_ideal"] > 0
        if call is calls[0]:
            assert counts["global_sectors"] == counts["global_ideal"] > 0


def test_strided_gradients_leave_out_taps_that_meet_nothing(
    cudasim_shadow: ModuleType,
) -> None:
    """Of 3 x 3 taps and a stride of 2 a pixel meets 9 / 4, not 9."""
    C, K = 16, 64
    dy, weight, x = aligned(1, 32, 32, K), aligned(3, 3, C, K), aligned(1, 64, 64, C)
    plain = aligned(1, 64, 64, K)

    def reads(call: Callable[[], object]) -> int:
        return traffic(cudasim_shadow, call)["shared_wavefronts"]

    strided = reads(
        lambda: kernels.conv2d_backward_input(
            dy, weight, x.shape, stride=2, padding=1, out=x
        )
    )
    every_tap = reads(
        lambda: kernels.conv2d_backward_input(plain, weight, x.shape, padding=1, out=x)
    )
    assert strided < 0.35 * every_tap


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="name must be one of 'fp32', '3xtf32', 'tf3"):
        tw.cuda.set_matmul_precision("fp16")
