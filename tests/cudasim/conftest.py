"""The simulator is built once for all tests; CMake and a C++ compiler are needed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from simulator import Planted, build, build_folder, build_ptx, load


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    targets = "_cudasim", "_cudasim_shadow", "_planted", "_planted_shadow"
    return build(build_folder(tmp_path_factory), *targets)


@pytest.fixture(scope="session")
def built_ptx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    targets = "_cudasim_ptx", "_planted_ptx", "_opcodes_ptx"
    return build_ptx(build_folder(tmp_path_factory), *targets)


@pytest.fixture(scope="session")
def cudasim(built: Path) -> ModuleType:
    return load(built, "_cudasim")


@pytest.fixture(scope="session")
def cudasim_shadow(built: Path) -> ModuleType:
    return load(built, "_cudasim_shadow")


@pytest.fixture(scope="session")
def cudasim_ptx(built_ptx: Path) -> ModuleType:
    return load(built_ptx, "_cudasim_ptx")


@pytest.fixture(scope="session")
def planted(built: Path) -> Planted:
    return Planted(load(built, "_planted"))


@pytest.fixture(scope="session")
def planted_shadow(built: Path) -> Planted:
    return Planted(load(built, "_planted_shadow"))


@pytest.fixture(scope="session")
def planted_ptx(built_ptx: Path) -> Planted:
    return Planted(load(built_ptx, "_planted_ptx"))


@pytest.fixture(scope="session")
def opcodes(built_ptx: Path) -> Planted:
    return Planted(load(built_ptx, "_opcodes_ptx"))


@pytest.fixture(params=["planted_shadow", "planted_ptx"])
def watched(request: pytest.FixtureRequest) -> Planted:
    """The planted kernels with every access watched, by either route."""
    found: Planted = request.getfixturevalue(request.param)
    return found
