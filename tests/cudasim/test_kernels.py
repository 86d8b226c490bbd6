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
from tilewright.kernels.conformance.case import difference

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


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("K", [32, 64])
def test_first_layers_have_no_bank_conflicts(
    cudasim_shadow: ModuleType, C: int, K: int
) -> None:
    x, weight, y = aligned(1, 32, 32, C), aligned(3, 3, C, K), aligned(1, 32, 32, K)
    cudasim_shadow.configure("forward", 1, True)
    cudasim_shadow.count_accesses(True)
    with dispatch.backend("cudasim_shadow"):
        kernels.conv2d(x, weight, padding=1, out=y)
    counts = cudasim_shadow.access_counts()
    cudasim_shadow.count_accesses(False)
    assert counts["shared_wavefronts"] == counts["shared_ideal"] > 0


@pytest.mark.parametrize(
    ("window", "stride", "groups", "fused"),
    [(2, 2, 1, True), (3, 3, 2, True), (8, 8, 1, True), (3, 2, 1, False)],
)
def test_pooled_convolutions_take_one_kernel_where_they_can(
    cudasim: ModuleType, window: int, stride: int, groups: int, fused: bool
) -> None:
    from tilewright.kernels.backends import cudasim as backend

    answers = []

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(cudasim, name)

        def conv2d_max_pool2d(self, *arguments: object) -> bool:
            answers.append(cudasim.conv2d_max_pool2d(*arguments))
            return answers[-1]

    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 19, 18, 4), np.float32)
    weight = rng.standard_normal((3, 3, 4 // groups, 66), np.float32)
    bias = rng.standard_normal(66, np.float32)
    pair = (window, window), bias, (1, 1), ((1, 1), (1, 1)), (1, 1), groups, "relu"
    watched = backend.over(Watched())  # type: ignore[arg-type]
    y, codes = watched.conv2d_max_pool2d(x, weight, *pair, (stride, stride))
    assert answers == [fused]
    with dispatch.backend("numpy"):
        wide = [array.astype(np.float64) for array in (x, weight, bias)]
        want, taps = kernels.conv2d_max_pool2d(
            *wide[:2], window, bias=wide[2], padding=1, groups=groups,
            activation="relu", pool_stride=stride,
        )  # fmt: skip
    assert difference(y, want, 2e-5) is None
    assert np.array_equal(codes, taps)
