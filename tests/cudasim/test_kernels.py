"""The CUDA kernels through the simulator: every case, in every order, and watched."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from simulator import ORDERS

from tilewright import kernels
from tilewright.kernels import conformance, dispatch
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance import Case

NAMES = ("cudasim", "cudasim_shadow")


@functools.cache
def expected(case: Case) -> list[Array]:
    return case.expected()


def problems(backend: str, family: str) -> list[str]:
    found = (
        (case, case.problem(backend, expected(case)))
        for case in conformance.cases(family)
    )
    return [f"{case}: {problem}" for case, problem in found if problem is not None]


@pytest.fixture(autouse=True)
def backends(
    cudasim: ModuleType, cudasim_shadow: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Both builds as backends, for as long as a test runs."""
    import sys

    monkeypatch.setitem(sys.modules, "tilewright._cudasim", cudasim)
    from tilewright.kernels.backends import cudasim as backend

    for name, module in zip(NAMES, (cudasim, cudasim_shadow), strict=True):
        monkeypatch.setitem(dispatch._modules, name, "loaded already")
        monkeypatch.setitem(dispatch._loaded, name, backend.over(module))
    yield
    dispatch._routes.clear()


@pytest.mark.parametrize("family", conformance.FAMILIES)
@pytest.mark.parametrize("order", ORDERS)
def test_conformance(cudasim: ModuleType, family: str, order: str) -> None:
    cudasim.configure(order, 7, order != "reverse")
    assert problems("cudasim", family) == []


@pytest.mark.parametrize("family", conformance.FAMILIES)
def test_conformance_with_every_access_watched(
    cudasim_shadow: ModuleType, family: str
) -> None:
    assert cudasim_shadow.shadow
    cudasim_shadow.configure("random", 11, True)
    assert problems("cudasim_shadow", family) == []


def aligned(*shape: int) -> np.ndarray:
    """Return an array that begins with a sector, as a GPU's arrays do."""
    raw = np.ones(int(np.prod(shape)) * 4 + 256, np.uint8)
    start = -raw.ctypes.data % 256
    return raw[start : start + int(np.prod(shape)) * 4].view(np.float32).reshape(shape)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("size", [128, 1024])
def test_products_have_no_bank_conflicts(
    cudasim_shadow: ModuleType, transpose_a: bool, transpose_b: bool, size: int
) -> None:
    K = 32
    a = aligned(K, size) if transpose_a else aligned(size, K)
    b = aligned(size, K) if transpose_b else aligned(K, size)
    out = aligned(size, size)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "out": out}
    cudasim_shadow.configure("forward", 1, True)
    cudasim_shadow.count_accesses(True)
    with dispatch.backend("cudasim_shadow"):
        kernels.gemm(a, b, **options)
    counts = cudasim_shadow.access_counts()
    cudasim_shadow.count_accesses(False)
    assert counts["shared_wavefronts"] == counts["shared_ideal"] > 0
    # Of each sector all is used.
    assert counts["global_sectors"] == counts["global_ideal"] > 0


@pytest.mark.parametrize("C", [16, 64])
def test_convolutions_have_no_bank_conflicts(
    cudasim_shadow: ModuleType, C: int
) -> None:
    x, weight, y = aligned(2, 8, 8, C), aligned(3, 3, C, 64), aligned(2, 8, 8, 64)
    cudasim_shadow.configure("forward", 1, True)
    cudasim_shadow.count_accesses(True)
    with dispatch.backend("cudasim_shadow"):
        kernels.conv2d(x, weight, padding=1, out=y)
        kernels.conv2d_backward_input(y, weight, x.shape, padding=1, out=x)
    counts = cudasim_shadow.access_counts()
    cudasim_shadow.count_accesses(False)
    assert counts["shared_wavefronts"] == counts["shared_ideal"] > 0
