"""The simulator of tests/cudasim, and CuPy's stand-in over it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import host_cupy
import pytest

from tilewright.kernels import dispatch

sys.path.append(str(Path(__file__).resolve().parents[1] / "cudasim"))
from simulator import build, build_folder, build_ptx, load  # noqa: E402

BACKEND = "tilewright.kernels.backends.cuda"


@pytest.fixture(scope="session", params=["_cudasim", "_cudasim_ptx"])
def extension(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ModuleType:
    """The kernels as a module like ``tilewright._cuda``."""
    folder = build_folder(tmp_path_factory)
    if request.param == "_cudasim_ptx":
        return load(build_ptx(folder, request.param), request.param)
    return load(build(folder, request.param), request.param)


@pytest.fixture
def cupy(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """CuPy's stand-in, and the ``cuda`` backend over it."""
    extension.configure("forward", 1, True)
    stand_in = host_cupy.module()
    pretended = ModuleType("tilewright._cuda")
    vars(pretended).update(vars(extension), abi=1, unavailable_reason=lambda: "")
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setitem(sys.modules, "tilewright._cuda", pretended)
    monkeypatch.delitem(sys.modules, BACKEND, raising=False)
    monkeypatch.delitem(dispatch._loaded, "cuda", raising=False)
    monkeypatch.delitem(dispatch._reasons, "cuda", raising=False)
    importlib.import_module(BACKEND)
    yield stand_in
    sys.modules.pop(BACKEND, None)
    dispatch._loaded.pop("cuda", None)
