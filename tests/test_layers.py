"""The house rules that a machine can check: who may import whom, and lengths."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "tilewright"
CSRC = ROOT / "csrc"
FAMILIES = (
    "gemm",
    "conv2d",
    "pool2d",
    "batch_norm",
    "softmax_cross_entropy",
    "adam",
    "sgd",
    "rmsprop",
    "elementwise",
    "elementwise_loss",
    "gradient_clipping",
)
SOURCES = {".py", ".cpp", ".h", ".hpp", ".cu", ".cuh", ".sh", ".md", ".toml"}
MAXIMUM_LINES = 600
LINT = "from importlinter.cli import lint_imports_command as main; main()"

INCLUDE = re.compile(r'^\s*#\s*include\s+(<[^>]+>|"[^"]+")', re.MULTILINE)
# Headers that define no inline function the linker could keep an AVX copy of.
PLAIN_HEADERS = {
    "<stddef.h>",
    "<stdint.h>",
    "<string.h>",
    "<float.h>",
    "<cstddef>",
    "<cstdint>",
    "<cstring>",
    "<cfloat>",
    "<immintrin.h>",
    "<xmmintrin.h>",
    "<arm_neon.h>",
}


def hand_written() -> Iterator[Path]:
    for folder in ("csrc", "python", "tests", "tools", "benchmarks", "docs", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            hidden = any(part.startswith((".", "__")) for part in path.parent.parts)
            if path.is_file() and (not hidden or folder == ".ci"):
                yield path
    yield from (p for p in ROOT.iterdir() if p.is_file() and p.suffix in SOURCES)


def includes(file: Path) -> list[str]:
    return INCLUDE.findall(file.read_text(encoding="utf-8"))


def cpp_files(folder: str) -> list[Path]:
    return [p for p in (CSRC / folder).rglob("*") if p.suffix in SOURCES]


def reached(file: Path) -> dict[str, str]:
    """Return what a file includes, through our own headers: header -> by whom."""
    found: dict[str, str] = {}
    todo = [file]
    while todo:
        current = todo.pop()
        for name in includes(current):
            if name in found:
                continue
            found[name] = str(current.relative_to(CSRC))
            if name.startswith('"'):
                todo.append(CSRC / name.strip('"'))
    return found


def test_floors_of_the_package() -> None:
    pytest.importorskip("importlinter", reason="needs the extra 'dev'")
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as m; m()",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_only_the_kernels_know_the_extension() -> None:
    importing = re.compile(
        r"^\s*(from tilewright import .*\b_cpu\b|.*tilewright\._cpu)"
    )
    found = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(importing.match(line) for line in path.read_text().splitlines())
    }
    assert found <= {"kernels"}


def test_no_module_below_imports_the_whole_package() -> None:
    whole = re.compile(r"^\s*import tilewright( as \w+)?$", re.MULTILINE)
    above = {"cli", "bench", "environment.py", "__init__.py"}
    found = [
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if whole.search(re.sub(r'"""(.|\n)*?"""', "", path.read_text()))
    ]
    assert [path for path in found if path.parts[0] not in above] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_all_of_its_parts(family: str) -> None:
    parts = [
        f"csrc/cpu/{family}.h",
        f"csrc/cpu/{family}.cpp",
        f"csrc/cpu/ref/{family}.cpp",
        f"csrc/cpu/simd/{family}.cpp",
        f"csrc/cuda/{family}/{family}.h",
        f"csrc/bindings/bind_{family}.cpp",
        f"csrc/bindings/cuda/bind_{family}.cpp",
        f"python/tilewright/kernels/{family}.py",
        f"python/tilewright/kernels/backends/numpy/{family}.py",
        f"python/tilewright/kernels/backends/cpu/{family}.py",
        f"python/tilewright/kernels/backends/device/{family}.py",
        f"python/tilewright/kernels/conformance/{family}.py",
        f"python/tilewright/bench/{family}.py",
        f"tests/kernels/test_{family}.py",
        f"docs/kernels/{family}.md",
    ]
    assert [part for part in parts if not (ROOT / part).is_file()] == []


def test_families_are_those_that_are_built() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    (listed,) = re.findall(r"set\(families\s+([^)]+)\)", text)
    assert set(listed.split()) == set(FAMILIES)


def test_only_bindings_include_pybind11_and_python() -> None:
    for file in cpp_files("."):
        if file.relative_to(CSRC).parts[0] != "bindings":
            bad = [n for n in includes(file) if re.match(r'[<"](pybind11|Python)', n)]
            assert bad == [], file


def test_cpp_floors() -> None:
    allowed = {
        "common": {"common"},
        "cpu": {"common", "cpu"},
        "cuda": {"common", "cuda", "cudasim"},
        "cudasim": {"cudasim"},
        "bindings": {"common", "cpu", "cuda", "cudasim", "bindings"},
    }
    for folder, below in allowed.items():
        for file in cpp_files(folder):
            ours = {n.strip('"').split("/")[0] for n in includes(file) if n[0] == '"'}
            assert ours <= below, file


def test_kernels_are_the_same_for_nvcc_and_the_simulator() -> None:
    """Two worlds meet in a few headers; all else is one text for both."""
    instructions = {"ptx.hpp", "hopper.hpp"}
    meeting = {"dialect.hpp", "launch.hpp", "memory.hpp", "tensor_map.hpp"}
    meeting |= instructions
    for file in cpp_files("cuda"):
        text = file.read_text(encoding="utf-8")
        apart = "__CUDACC__" in text or '#include "cudasim/' in text
        assert not apart or file.name in meeting, file
        assert "asm" not in re.findall(r"\w+", text) or file.name in instructions, file


@pytest.mark.parametrize(
    "file", cpp_files("cpu/simd"), ids=lambda p: str(p.relative_to(CSRC))
)
def test_sources_with_isa_flags_reach_only_plain_headers(file: Path) -> None:
    system = {n: by for n, by in reached(file).items() if n.startswith("<")}
    assert {n: by for n, by in system.items() if n not in PLAIN_HEADERS} == {}
    assert "std::" not in re.sub(r"//.*", "", file.read_text())


@pytest.mark.parametrize(
    "file", cpp_files("cpu/ref"), ids=lambda p: str(p.relative_to(CSRC))
)
def test_reference_kernels_reach_no_simd_header(file: Path) -> None:
    simd = [n for n in reached(file) if "simd" in n or n.endswith("intrin.h>")]
    assert simd == []


def test_only_the_pool_knows_threads() -> None:
    threads = {"<thread>", "<condition_variable>", "<future>", "<omp.h>"}
    for file in cpp_files("."):
        if file.stem not in {"parallel", "thread_count"}:
            assert threads.isdisjoint(includes(file)), file


def test_file_lengths() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in hand_written()
        if path.suffix in SOURCES or path.parent.name in {"tools", ".ci"}
    }
    assert len(lengths) > 30
    assert {n: k for n, k in lengths.items() if k > MAXIMUM_LINES} == {}


def test_no_paths_of_somebodys_machine() -> None:
    machine = re.compile(r"(?<![\w.~}])/(work|home|root|Users)/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in hand_written()
        if path.suffix in SOURCES or path.parent.name in {"tools", ".ci"}
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if machine.search(line) and path != Path(__file__).resolve()
    ]
    assert found == []
