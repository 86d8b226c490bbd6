"""The compiled wheel: what is in it, and that it works where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from building import Environment

MAXIMUM_BYTES = 4_000_000

USE_EXTENSION = """
import numpy as np, tilewright as tw
from tilewright import _cpu
print(tw.__file__)
print(_cpu.__file__)
rng = np.random.default_rng(0)
a, b = (rng.standard_normal((17, 17)).astype(np.float32) for _ in range(2))
with tw.backend("cpu"):
    product = tw.kernels.gemm(a, b)
np.testing.assert_allclose(product, a @ b, rtol=1e-4, atol=1e-5)
print("version", tw.__version__)
"""


def entries(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_size(wheel: Path) -> None:
    assert wheel.stat().st_size <= MAXIMUM_BYTES


def test_contents(wheel: Path) -> None:
    files = entries(wheel)
    (extension,) = (name for name in files if name.endswith(".so"))
    assert re.fullmatch(r"tilewright/_cpu\.[^/]+\.so", extension)
    assert files[extension].startswith(b"\x7fELF")
    assert b".symtab" not in files[extension], "the extension is not stripped"
    assert {"tilewright/py.typed", "tilewright/_cpu.pyi"} <= set(files)
    assert any(name.endswith("licenses/LICENSE") for name in files)
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tilewright"}


def test_metadata(wheel: Path) -> None:
    files = entries(wheel)
    (metadata,) = (t for name, t in files.items() if name.endswith("/METADATA"))
    (scripts,) = (t for n, t in files.items() if n.endswith("/entry_points.txt"))
    required = [
        line.partition(": ")[2]
        for line in metadata.decode().splitlines()
        if line.startswith("Requires-Dist: ") and "extra ==" not in line
    ]
    assert [re.split(r"[><=]", name)[0] for name in required] == ["numpy"]
    assert b"tilewright = tilewright.cli:main" in scripts


def test_extension_exports_no_symbols_of_ours(wheel: Path, tmp_path: Path) -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("binutils (nm) are not installed")
    (extension,) = (n for n in entries(wheel) if n.endswith(".so"))
    with zipfile.ZipFile(wheel) as archive:
        file = archive.extract(extension, tmp_path)
    command = [nm, "-D", "--defined-only", file]
    symbols = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "PyInit__cpu" in symbols.stdout
    ours = [s for s in symbols.stdout.splitlines() if "2tw" in s]
    assert ours == [], "tw:: symbols could clash with another library's"


def test_extension_links_no_openmp(wheel: Path) -> None:
    (extension,) = (t for n, t in entries(wheel).items() if n.endswith(".so"))
    assert b"libgomp" not in extension and b"libomp" not in extension


def test_installs_and_runs_away_from_the_checkout(
    wheel: Path, environment: Environment
) -> None:
    installed = environment.pip_install(str(wheel))
    assert installed.returncode == 0, installed.stdout
    result = environment.run("-c", USE_EXTENSION)
    assert result.returncode == 0, result.stdout
    package, extension, version = result.stdout.splitlines()[-3:]
    assert Path(package).is_relative_to(environment.site_packages)
    assert Path(extension).is_relative_to(environment.site_packages)
    assert version == f"version {wheel.name.split('-')[1]}"


def test_editable_install_follows_the_sources(
    wheel: Path, unpacked: Path, environment: Environment
) -> None:
    installed = environment.pip_install("-e", str(unpacked))
    assert installed.returncode == 0, installed.stdout
    result = environment.run("-c", USE_EXTENSION)
    assert result.returncode == 0, result.stdout
    package, extension = result.stdout.splitlines()[-3:-1]
    assert Path(package) == unpacked / "python/tilewright/__init__.py"
    assert Path(extension).is_relative_to(environment.site_packages)
    (unpacked / "python/tilewright/added.py").write_text("value = 1\n")
    try:
        result = environment.run("-c", "from tilewright.added import value")
        assert result.returncode == 0, result.stdout
    finally:
        (unpacked / "python/tilewright/added.py").unlink()
