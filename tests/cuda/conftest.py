"""The simulator of tests/cudasim, and CuPy's stand-in over it."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import host_cupy
import pretend
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


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def cupy(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """CuPy's stand-in, and the ``cuda`` backend over it; and CuPy itself on a GPU."""
    if request.param == "gpu":
        reason = dispatch.unavailable_reason("cuda")
        if reason is not None:
            pytest.skip(f"needs a GPU: {reason}")
        yield importlib.import_module("cupy")
        return
    extension = request.getfixturevalue("extension")
    extension.configure("forward", 1, True)
    stand_in = host_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setitem(
        sys.modules, "tilewright._cuda", pretend.cuda_extension(extension)
    )
    monkeypatch.delitem(sys.modules, BACKEND, raising=False)
    monkeypatch.delitem(dispatch._loaded, "cuda", raising=False)
    monkeypatch.delitem(dispatch._reasons, "cuda", raising=False)
    importlib.import_module(BACKEND)
    yield stand_in
    sys.modules.pop(BACKEND, None)
    dispatch._loaded.pop("cuda", None)
    gc.collect()
    assert stand_in.world.faults == []  # type: ignore[attr-defined]


@pytest.fixture
def world(cupy: ModuleType) -> Any:
    """What the stand-in knows of order and of waiting; CuPy itself does not tell."""
    if not hasattr(cupy, "world"):
        pytest.skip("is about what the stand-in watches")
    return cupy.world
