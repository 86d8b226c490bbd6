"""The checked-in stub of the extension is what its generator writes today."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "python" / "tilewright" / "_cpu.pyi"


def test_stub_names_every_function() -> None:
    extension = pytest.importorskip("tilewright._cpu", reason="no extension here")
    stubbed = set(
        re.findall(r"^(?:def|class) (\w+)[(:]", STUB.read_text("utf-8"), re.MULTILINE)
    )
    assert stubbed == {name for name in dir(extension) if not name.startswith("_")}


def test_stub_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tilewright._cpu", reason="no extension here")
    pytest.importorskip("pybind11", reason="needs the extra 'test'")
    if importlib.util.find_spec("pybind11_stubgen") is None:
        pytest.skip("pybind11-stubgen is not installed (extra 'dev')")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("annotations print otherwise under another Python than 3.11")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import make_stubs

    recorded = STUB.read_text("utf-8")
    if not recorded.startswith(make_stubs.first_line()):
        pytest.skip(f"made by other versions: {recorded.splitlines()[0]}")
    assert make_stubs.stub() == recorded, "run: python tools/make_stubs.py"
