"""Products on CuPy's arrays at every precision, by each kind of tensor cores."""

from __future__ import annotations

from types import ModuleType

import pytest

from tilewright.kernels.conformance import precisions


def problems(family: str, precision: str, every: int = 1) -> list[str]:
    found = (
        (case, precisions.problem(case, "cuda", precision))
        for case in precisions.cases(family, precision)[::every]
    )
    return [f"{case}: {text}" for case, text in found if text is not None]


@pytest.mark.parametrize("precision", precisions.LIMITS)
@pytest.mark.parametrize("family", precisions.FAMILIES)
def test_conformance(cupy: ModuleType, family: str, precision: str) -> None:
    assert problems(family, precision) == []


@pytest.mark.parametrize("precision", precisions.LIMITS)
def test_conformance_by_wgmma(
    cupy: ModuleType, request: pytest.FixtureRequest, precision: str
) -> None:
    every = 1
    if hasattr(cupy, "world"):
        every = 12  # the others run in tests/cudasim/test_hopper_gemm.py
        extension = request.getfixturevalue("extension")
        assert not precisions.has_wgmma("cuda")
        extension.configure("forward", 1, True, hopper=True, multiprocessors=2)
    if not precisions.has_wgmma("cuda"):
        pytest.skip("this GPU has no wgmma, or there is no code for it")
    with precisions.by_wgmma("cuda"):
        assert problems("gemm", precision, every) == []


def test_a_wrong_product_is_found(
    cupy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Operands of bf16 are not as good as those of tf32.
    monkeypatch.setitem(precisions.LIMITS, "bf16", precisions.LIMITS["tf32"] / 4)
    assert len(problems("gemm", "bf16")) > 5
