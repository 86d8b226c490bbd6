"""Tests of what surrounds the kernels: processes, threads, memory, environment."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def extension(request: pytest.FixtureRequest) -> None:
    """Skip where the extension is not built, unless its absence is the subject."""
    if "without_extension" not in request.node.path.name:
        pytest.importorskip("tilewright._cpu", reason="the extension is not built")
