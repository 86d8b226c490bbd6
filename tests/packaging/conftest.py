"""One source archive and one compiled wheel, built once, for all tests here."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from building import Environment, build, unpack

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "runs", "__pycache__", ".*_cache", "*.so"
)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A fresh virtual environment."""
    pytest.importorskip("pip", reason="pip is not installed beside these tests")
    pytest.importorskip("scikit_build_core", reason="needs the extra 'test'")
    pytest.importorskip("pybind11", reason="needs the extra 'test'")
    return Environment(tmp_path / "environment")


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, built from a tree with a developer's extensions in it."""
    tree = tmp_path_factory.mktemp("tree") / "tilewright"
    shutil.copytree(ROOT, tree, ignore=NOT_SOURCES)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for stray in (f"_cpu{suffix}", "_cpu.abi3.so", "kernels/stray.so"):
        (tree / "python/tilewright" / stray).write_bytes(b"not an extension")
    return build("build_sdist", tree, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive unpacked; builds in it share their object files."""
    return unpack(sdist, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture(scope="session")
def compiler() -> str:
    """The C++ compiler that a build would take."""
    names = (os.environ.get("CXX", "").split() or ["c++", "g++", "clang++"])[:3]
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip("no C++ compiler on this machine")


@pytest.fixture(scope="session")
def wheel(
    compiler: str, unpacked: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The wheel with the extension, compiled from the source archive."""
    target = tmp_path_factory.mktemp("wheel")
    return build("build_wheel", unpacked, target, TILEWRIGHT_REQUIRE_EXTENSION="1")


@pytest.fixture
def no_compiler(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """Environment changes under which no C++ compiler can be found."""

    def changes() -> dict[str, str]:
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("cmake", "ninja", "make"):
            if found := shutil.which(name):
                (tools / name).symlink_to(found)
        return {"CC": "/nowhere/cc", "CXX": "/nowhere/c++", "PATH": str(tools)}

    return changes
