"""The simulator of tests/cudasim, and CuPy's stand-in over it."""

from __future__ import annotations

import gc
import importlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import host_cupy
import pytest

from tilewright.kernels import dispatch

sys.path.append(str(Path(__file__).resolve().parents[1] / "cudasim"))
from simulator import build, load  # noqa: E402

BACKEND = "tilewright.kernels.backends.cuda"
BINDING = (
    Path(__file__).resolve().parents[2] / "csrc" / "bindings" / "cuda" / "cuda.cpp"
)
ABI = int(re.findall(r"kAbi = (\d+);", BINDING.read_text())[0])


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The kernels as a module like ``tilewright._cuda``."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the simulator switches stacks on x86-64 alone")
    kept = os.environ.get("TILEWRIGHT_CUDASIM_BUILD")
    folder = Path(kept or tmp_path_factory.mktemp("cudasim"))
    return load(build(folder, "_cudasim"), "_cudasim")


@pytest.fixture
def cupy(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """CuPy's stand-in, and the ``cuda`` backend over it."""
    extension.configure("forward", 1, True)
    stand_in = host_cupy.module()
    pretended = ModuleType("tilewright._cuda")
    for name, value in vars(extension).items():
        launch = callable(value) and not name.startswith("_")
        setattr(pretended, name, host_cupy.recorded(value) if launch else value)
    vars(pretended).update(abi=ABI, unavailable_reason=lambda: "")
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    monkeypatch.setitem(sys.modules, "tilewright._cuda", pretended)
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
