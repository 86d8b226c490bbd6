"""The simulator is built once for all tests; CMake and a C++ compiler are needed."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from types import ModuleType

import pytest
from simulator import Planted, build, load

# A folder that keeps what was built, so that the next run builds what changed.
BUILD_FOLDER = os.environ.get("TILEWRIGHT_CUDASIM_BUILD")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the simulator switches stacks on x86-64 alone")
    targets = "_cudasim", "_cudasim_shadow", "_planted", "_planted_shadow"
    folder = Path(BUILD_FOLDER or tmp_path_factory.mktemp("cudasim"))
    return build(folder, *targets)


@pytest.fixture(scope="session")
def cudasim(built: Path) -> ModuleType:
    return load(built, "_cudasim")


@pytest.fixture(scope="session")
def cudasim_shadow(built: Path) -> ModuleType:
    return load(built, "_cudasim_shadow")


@pytest.fixture(scope="session")
def planted(built: Path) -> Planted:
    return Planted(load(built, "_planted"))


@pytest.fixture(scope="session")
def planted_shadow(built: Path) -> Planted:
    return Planted(load(built, "_planted_shadow"))
