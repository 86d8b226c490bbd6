"""The CUDA kernels through the simulator: every case, in every order, and watched."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import ModuleType

import pytest
from simulator import ORDERS

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
