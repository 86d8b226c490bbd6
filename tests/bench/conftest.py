"""Tests of the benchmarks; none of them asserts a time."""

from __future__ import annotations

import pytest

from tilewright.bench.case import Case
from tilewright.bench.families import select


@pytest.fixture
def small_case() -> Case:
    """A case that takes no time."""
    (case,) = select(["gemm"], match="logits")
    return case
