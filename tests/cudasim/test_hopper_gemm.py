"""gemm on Hopper's path: every case, sizes at the edges of tiles, and who takes it."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from simulator import ORDERS
from test_kernels import NAMES, aligned, backends
from test_precisions import LIMITS, problems

import tilewright as tw
from tilewright import kernels
from tilewright.kernels import dispatch
from tilewright.kernels.conformance.case import difference

__all__ = ["backends"]  # the fixture of every test here

PRECISIONS = [name for name in LIMITS if name != "fp32"]
# Around the edges of tiles (128 rows, 128 columns) and slices (32, 64 of depth),
# and depths that are cut in parts.
EDGES = (
    (128, 128, 64),
    (129, 127, 65),
    (127, 129, 31),
    (257, 130, 33),
    (4, 4, 4),
    (1, 1, 1),
    (66, 31, 1100),
)


@pytest.fixture(autouse=True)
def hopper(cudasim: ModuleType, cudasim_shadow: ModuleType) -> Iterator[None]:
    """Both builds say that they are Hopper, which is taken whatever the size."""
    for module in cudasim, cudasim_shadow:
        module.configure("forward", 1, True, hopper=True, multiprocessors=3)
        module.choose_tensor_core_algorithm("hopper")
    yield
    for module in cudasim, cudasim_shadow:
        module.choose_tensor_core_algorithm("automatic")
        module.configure("forward", 1, True)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_conformance(cudasim: ModuleType, precision: str, order: str) -> None:
    late = order != "reverse"
    cudasim.configure(order, 5, late, hopper=True, multiprocessors=2)
    assert problems("cudasim", "gemm", precision) == []


@pytest.mark.parametrize("precision", PRECISIONS)
def test_conformance_with_every_access_watched(
    cudasim_shadow: ModuleType, precision: str
) -> None:
    cudasim_shadow.configure("random", 5, True, hopper=True, multiprocessors=2)
    assert problems("cudasim_shadow", "gemm", precision) == []


@pytest.mark.parametrize("backend", NAMES)
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("M", "N", "K"), EDGES)
def test_edges(M: int, N: int, K: int, precision: str, backend: str) -> None:
    rng = np.random.default_rng(2)
    a = rng.standard_normal((M, K), np.float32)
    b = rng.standard_normal((K, N), np.float32)
    bias, before = (rng.standard_normal(s, np.float32) for s in ((N,), (M, N)))
    want = np.maximum(a.astype(np.float64) @ b + bias + before, 0)
    # A number by itself may have lost digits in its sum.
    limit = LIMITS[precision] * (1 if M * N > 16 else 4)
    with tw.cuda.use_matmul_precision(precision), dispatch.backend(backend):
        for ta, tb in ((False, False), (True, True)):
            got = before.copy()
            kernels.gemm(
                np.ascontiguousarray(a.T) if ta else a,
                np.ascontiguousarray(b.T) if tb else b,
                transpose_a=ta,
                transpose_b=tb,
                bias=bias,
                activation="relu",
                out=got,
                accumulate=True,
            )
            assert difference(got, want, limit) is None


@pytest.mark.parametrize("precision", PRECISIONS)
def test_wide_tiles(cudasim: ModuleType, precision: str) -> None:
    """Where there are enough of them tiles have 256 columns."""
    M, N, K = 1030, 3850, 40  # 9 x 16 tiles
    rng = np.random.default_rng(4)
    a = rng.standard_normal((M, K), np.float32)
    b = rng.standard_normal((K, N), np.float32)
    cudasim.configure("random", 9, True, hopper=True, multiprocessors=7)
    with tw.cuda.use_matmul_precision(precision), dispatch.backend("cudasim"):
        got = kernels.gemm(a, b)
    assert difference(got, a.astype(np.float64) @ b, LIMITS[precision]) is None


def test_bits_depend_on_sizes_alone(cudasim: ModuleType) -> None:
    rng = np.random.default_rng(5)
    a = rng.standard_normal((140, 1100), np.float32)
    b = rng.standard_normal((1100, 150), np.float32)
    found = []
    with tw.cuda.use_matmul_precision("bf16"), dispatch.backend("cudasim"):
        for number, order in enumerate(ORDERS):
            cudasim.configure(
                order, number, order != "reverse",
                hopper=True, multiprocessors=1 + 5 * number,
            )  # fmt: skip
            found.append(kernels.gemm(a, b))
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_precisions_differ() -> None:
    """Each is as good as it says, and no better."""
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal((96, 96), np.float32) for _ in range(2))
    want = a.astype(np.float64) @ b
    errors = []
    for precision in PRECISIONS:
        with tw.cuda.use_matmul_precision(precision), dispatch.backend("cudasim"):
            got = kernels.gemm(a, b)
        errors.append(np.linalg.norm(got - want) / np.linalg.norm(want))
    assert PRECISIONS == ["3xtf32", "tf32", "bf16"]
    assert errors[0] < 1e-6
    assert 1e-4 < errors[1] < 6e-4
    assert 1e-3 < errors[2] < 5e-3


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_bank_conflicts(
    cudasim_shadow: ModuleType, precision: str, transposed: bool
) -> None:
    """Of narrowing and of storing; copies and products have none by their swizzle."""
    size, K = 128, 64
    a = aligned(K, size) if transposed else aligned(size, K)
    b = aligned(size, K) if transposed else aligned(K, size)
    out = aligned(size, size)
    cudasim_shadow.count_accesses(True)
    with (
        tw.cuda.use_matmul_precision(precision),
        dispatch.backend("cudasim_shadow"),
    ):
        kernels.gemm(a, b, transpose_a=transposed, transpose_b=transposed, out=out)
    counts = cudasim_shadow.access_counts()
    cudasim_shadow.count_accesses(False)
    assert counts["shared_wavefronts"] == counts["shared_ideal"] > 0
    assert counts["global_sectors"] == counts["global_ideal"] > 0


def launched(module: ModuleType, size: int, precision: str) -> bool:
    """Return whether a product takes Hopper's path: it wants room for operands."""
    asked = []

    def allocate(floats: int) -> tuple[np.ndarray, tuple[int, int]]:
        asked.append(floats)
        array = np.empty(floats, np.float32)
        return array, (array.ctypes.data, array.nbytes)

    a, b, c = (np.ones((size, size), np.float32) for _ in range(3))
    places = [(m.ctypes.data, m.nbytes) for m in (a, b, c)]
    # A depth of 8 is enough to tell, and quick.
    module.gemm(
        size, size, 8, *places, False, False, None, "none", False, precision,
        allocate, 0,
    )  # fmt: skip
    return bool(asked)


def test_large_products_take_the_path_on_hopper_alone(cudasim: ModuleType) -> None:
    cudasim.choose_tensor_core_algorithm("automatic")
    assert launched(cudasim, 1024, "bf16")
    assert not launched(cudasim, 512, "bf16")
    assert not launched(cudasim, 1024, "fp32")
    cudasim.choose_tensor_core_algorithm("mma_sync")
    assert not launched(cudasim, 1024, "bf16")
    cudasim.choose_tensor_core_algorithm("automatic")
    cudasim.configure("forward", 1, True)
    assert not launched(cudasim, 1024, "bf16")
    cudasim.choose_tensor_core_algorithm("hopper")
    with pytest.raises(ValueError, match=r"no GPU of compute capability 9\.0"):
        launched(cudasim, 1024, "bf16")
    with pytest.raises(ValueError, match="unknown algorithm 'wmma'"):
        cudasim.choose_tensor_core_algorithm("wmma")
