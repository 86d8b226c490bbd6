"""The companion wheel of CUDA kernels: what is in it, and how it meets tilewright."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from building import Environment, build

import tilewright

MAXIMUM_BYTES = 20_000_000
PACKAGE = Path("packaging/cuda")

LOAD = """
import tilewright as tw
from tilewright.kernels import cuda_extension, dispatch
extension = cuda_extension.load()
print(extension.__file__)
print(dispatch.unavailable_reason("cuda"))
"""


@pytest.fixture(scope="session")
def cuda_wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The companion wheel: as CI has built it, or built here for one architecture."""
    if built := os.environ.get("TILEWRIGHT_CUDA_WHEEL"):
        return Path(built)
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is not here")
    return build(
        "build_wheel",
        unpacked / PACKAGE,
        tmp_path_factory.mktemp("cuda-wheel"),
        CMAKE_ARGS="-DTILEWRIGHT_CUDA_ARCHITECTURES=80-real",
    )


@pytest.fixture
def beside(
    cuda_wheel: Path, wheel: Path, environment: Environment, tmp_path: Path
) -> Environment:
    """An environment with both wheels."""
    for file in (wheel, cuda_wheel):
        installed = environment.pip_install(str(file))
        assert installed.returncode == 0, installed.stdout
    return environment


def entries(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_contents(cuda_wheel: Path) -> None:
    files = entries(cuda_wheel)
    code = {name for name in files if ".dist-info/" not in name}
    (extension,) = (name for name in code if name.endswith(".so"))
    assert code == {"tilewright_cuda/__init__.py", extension}
    assert re.fullmatch(r"tilewright_cuda/_cuda\.[^/]+\.so", extension)
    assert any(name.endswith("licenses/LICENSE") for name in files)
    assert cuda_wheel.stat().st_size <= MAXIMUM_BYTES


def test_it_is_pinned_to_the_version(cuda_wheel: Path) -> None:
    files = entries(cuda_wheel)
    (metadata,) = (t for name, t in files.items() if name.endswith("/METADATA"))
    lines = metadata.decode().splitlines()
    assert f"Version: {tilewright.__version__}" in lines
    required = [line for line in lines if line.startswith("Requires-Dist: ")]
    assert required == [f"Requires-Dist: tilewright[cuda]=={tilewright.__version__}"]


def test_it_needs_and_shows_nothing_of_cuda(cuda_wheel: Path, tmp_path: Path) -> None:
    if shutil.which("nm") is None or shutil.which("readelf") is None:
        pytest.skip("binutils (nm, readelf) are not installed")
    (name,) = (n for n in entries(cuda_wheel) if n.endswith(".so"))
    with zipfile.ZipFile(cuda_wheel) as archive:
        file = archive.extract(name, tmp_path)

    def output(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True).stdout

    assert ".symtab" not in output("readelf", "-SW", file), "it is not stripped"
    needed = re.findall(r"NEEDED.*\[(.*)\]", output("readelf", "-d", file))
    assert needed and not any("cuda" in library for library in needed), needed
    symbols = output("nm", "-D", "--defined-only", file).splitlines()
    names = [symbol.split()[-1] for symbol in symbols]
    assert "PyInit__cuda" in names
    assert [n for n in names if "cuda" in n.lower() and n != "PyInit__cuda"] == []


def test_tilewright_finds_it(beside: Environment) -> None:
    result = beside.run("-c", LOAD)
    assert result.returncode == 0, result.stdout
    file, reason = result.stdout.splitlines()[-2:]
    assert Path(file).parent == beside.site_packages / "tilewright_cuda"
    shown = beside.run("-m", "tilewright", "info").stdout
    assert "cuda extension: tilewright_cuda._cuda" in shown
    if reason != "None":  # a machine without a GPU
        assert f"backend cuda: not available: {reason}" in shown
        assert (
            "cuda runtime: there is no NVIDIA" in shown or "update the driver" in shown
        )


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("__init__.py", '__version__ = "', '__version__ = "9.', "and tilewright of 9."),
        ("kernels/cuda_extension.py", "ABI = ", "ABI = 99", "calls the interface 99"),
    ],
)
def test_another_version_is_refused_and_the_rest_goes_on(
    beside: Environment, file: str, old: str, new: str, message: str
) -> None:
    changed = beside.site_packages / "tilewright" / file
    changed.write_text(changed.read_text().replace(old, new, 1))
    shown = beside.run("-m", "tilewright", "info").stdout
    (line,) = (x for x in shown.splitlines() if x.startswith("backend cuda: "))
    assert message in line and "install the wheel tilewright-cuda==" in line
    assert "backend cpu: available" in shown and "cuda: -" in shown
