"""The simulator of tests/cudasim, and CuPy's stand-in over it."""

from __future__ import annotations

import functools
import gc
import importlib
import sys
from collections.abc import Callable, Iterator
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of CuPy over the stand-in and, where one is, on a GPU.

    A module's ``ROUTES`` are the simulators behind the stand-in; by default the
    kernels from their sources, for those from nvcc's PTX take much longer.
    """
    routes = getattr(metafunc.module, "ROUTES", ["_cudasim"])
    if "cupy" in metafunc.fixturenames:
        gpu = pytest.param("gpu", marks=pytest.mark.gpu)
        metafunc.parametrize("cupy", [*routes, gpu], indirect=True)
    elif "extension" in metafunc.fixturenames:
        metafunc.parametrize("extension", routes, indirect=True)


@pytest.fixture(scope="session")
def simulator(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], ModuleType]:
    """What builds and loads a simulator by its name, once."""

    @functools.cache
    def loaded(name: str) -> ModuleType:
        folder = build_folder(tmp_path_factory)
        how = build_ptx if name == "_cudasim_ptx" else build
        return load(how(folder, name), name)

    return loaded


@pytest.fixture
def extension(
    request: pytest.FixtureRequest, simulator: Callable[[str], ModuleType]
) -> ModuleType:
    """The kernels as a module like ``tilewright._cuda``."""
    return simulator(getattr(request, "param", "_cudasim"))


@pytest.fixture
def cupy(
    request: pytest.FixtureRequest,
    simulator: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ModuleType]:
    """CuPy's stand-in, and the ``cuda`` backend over it; and CuPy itself on a GPU."""
    if request.param == "gpu":
        reason = dispatch.unavailable_reason("cuda")
        if reason is not None:
            pytest.skip(f"needs a GPU: {reason}")
        yield importlib.import_module("cupy")
        return
    extension = simulator(request.param)
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
