"""What travels in the source archive."""

from __future__ import annotations

import tarfile
from pathlib import Path


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as files:
        return {member.name.partition("/")[2] for member in files.getmembers()}


def test_holds_what_a_build_needs(sdist: Path) -> None:
    assert {
        "CMakeLists.txt",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "csrc/bindings/module.cpp",
        "csrc/cpu/gemm.cpp",
        "csrc/cpu/ref/gemm.cpp",
        "csrc/cpu/simd.hpp",
        "csrc/cpu/simd/gemm.cpp",
        "pyproject.toml",
        "python/tilewright/__init__.py",
        "python/tilewright/_cpu.pyi",
        "python/tilewright/py.typed",
        "tests/packaging/test_sdist.py",
    } <= names(sdist)


def test_holds_every_source_of_the_checkout(sdist: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    expected = {
        path.relative_to(root).as_posix()
        for folder in ("csrc", "python/tilewright")
        for path in (root / folder).rglob("*")
        if path.is_file()
        and path.suffix not in {".so", ".pyc"}
        and path.name != ".DS_Store"
    }
    assert expected - names(sdist) == set()


def test_holds_nothing_else(sdist: Path) -> None:
    unwanted = (".so", ".pyc", ".o", ".gz")
    assert [name for name in names(sdist) if name.endswith(unwanted)] == []
    assert [n for n in names(sdist) if n.startswith((".", "build/", "dist/"))] == []
    assert sdist.stat().st_size <= 4_000_000
