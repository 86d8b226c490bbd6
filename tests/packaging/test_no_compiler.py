"""Installation on a machine without a C++ compiler."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from building import Environment, build, unpack

Changes = Callable[[], dict[str, str]]
WARNING = "tilewright was installed without its C++ kernels"

USE_NUMPY = """
import warnings
import numpy as np
with warnings.catch_warnings():
    warnings.simplefilter("error")
    import tilewright as tw
    from tilewright.errors import BackendUnavailableError
print(tw.__file__)
x = np.ones((2, 8, 8, 3), np.float32)
weight = np.ones((3, 3, 3, 4), np.float32)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    y = tw.kernels.conv2d(x, weight)
    tw.kernels.conv2d(x, weight)
assert y.shape == (2, 6, 6, 4) and (y == 27).all()
assert len(caught) <= 1, [str(w.message) for w in caught]
try:
    with tw.backend("cpu"):
        tw.kernels.conv2d(x, weight)
except BackendUnavailableError as error:
    print("refused:", error)
"""


@pytest.fixture
def sources(sdist: Path, tmp_path: Path) -> Path:
    return unpack(sdist, tmp_path / "sources")


def test_installs_with_one_warning_and_runs_on_numpy(
    sources: Path, environment: Environment, no_compiler: Changes
) -> None:
    installed = environment.pip_install(str(sources), **no_compiler())
    assert installed.returncode == 0, installed.stdout
    assert installed.stdout.count("WARNING: tilewright") == 1, installed.stdout
    assert installed.stdout.count(WARNING) == 1
    assert "Install a C++17 compiler" in installed.stdout
    assert list(environment.site_packages.glob("tilewright/*.so")) == []

    result = environment.run("-c", USE_NUMPY)
    assert result.returncode == 0, result.stdout
    first, *_, last = result.stdout.splitlines()
    assert Path(first).is_relative_to(environment.site_packages)
    assert last.startswith("refused:") and "cpu" in last


def test_fallback_wheel_is_pure_python(
    sources: Path, tmp_path: Path, no_compiler: Changes
) -> None:
    wheel = build("build_wheel", sources, tmp_path / "wheel", **no_compiler())
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert [name for name in names if name.endswith(".so")] == []
    assert "tilewright/kernels/backends/numpy/gemm.py" in names


@pytest.mark.parametrize("arguments", [(), ("-e",)], ids=["wheel", "editable"])
def test_a_required_extension_is_an_error(
    arguments: tuple[str, ...],
    sources: Path,
    environment: Environment,
    no_compiler: Changes,
) -> None:
    changes = {**no_compiler(), "TILEWRIGHT_REQUIRE_EXTENSION": "1"}
    installed = environment.pip_install(*arguments, str(sources), **changes)
    assert installed.returncode != 0
    assert "the C++ extension was not built" in installed.stdout
    assert WARNING not in installed.stdout


def test_an_editable_install_shows_the_compiler_error(
    sources: Path, environment: Environment, no_compiler: Changes
) -> None:
    installed = environment.pip_install("-e", str(sources), **no_compiler())
    assert installed.returncode != 0
    assert "-Cwheel.cmake=false" in installed.stdout


def test_going_without_can_be_asked_for(
    sources: Path, environment: Environment, no_compiler: Changes
) -> None:
    # The long spelling, for pip before 23.1.
    arguments = ("-e", str(sources), "--config-settings=wheel.cmake=false")
    installed = environment.pip_install(*arguments, **no_compiler())
    assert installed.returncode == 0, installed.stdout
    result = environment.run("-c", USE_NUMPY)
    assert result.returncode == 0, result.stdout
