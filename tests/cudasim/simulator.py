"""Building the simulator of CUDA kernels, and loading what was built."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
ORDERS = ("forward", "reverse", "random")
Floats = NDArray[np.float32]


def build_folder(factory: pytest.TempPathFactory) -> Path:
    """Return where a session builds: one folder for all tests.

    ``TILEWRIGHT_CUDASIM_BUILD`` names one that is kept, so that the next session
    builds what changed.
    """
    kept = os.environ.get("TILEWRIGHT_CUDASIM_BUILD")
    return Path(kept) if kept else factory.getbasetemp() / "cudasim"


def build(
    folder: Path, *targets: str, sanitize: bool = False, headers: Path | None = None
) -> Path:
    """Build targets of the simulator, and return the folder that they are in.

    ``headers``: a folder whose headers come before those of ``csrc``.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the simulator switches stacks on x86-64 alone")
    pybind11 = pytest.importorskip("pybind11", reason="needs the extra 'test'")
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not here")
    launcher = shutil.which("ccache")
    options = [
        "-DTILEWRIGHT_CUDASIM=ON",
        "-DTILEWRIGHT_WERROR=ON",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_CXX_FLAGS_RELEASE=-O2",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
    ]
    if sanitize:
        options[2:4] = [
            "-DTILEWRIGHT_SANITIZE=ON",
            "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1",
        ]
    if headers:
        options.append(f"-DTILEWRIGHT_CUDASIM_HEADERS={headers}")
    if launcher:
        options.append(f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}")
    if shutil.which("ninja"):
        options += ["-G", "Ninja"]
    run(cmake, "-S", str(ROOT), "-B", str(folder), *options)
    jobs = str(len(os.sched_getaffinity(0)))
    run(cmake, "--build", str(folder), "--parallel", jobs, "--target", *targets)
    return folder / "csrc" / "cudasim"


def build_ptx(folder: Path, *targets: str, headers: Path | None = None) -> Path:
    """The same for what nvcc makes of the kernels."""
    if shutil.which("nvcc") is None:
        pytest.skip("nvcc is not here")
    return build(folder, *targets, headers=headers) / "ptx"


def run(*command: str) -> None:
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert result.returncode == 0, result.stdout[-8000:]


def load(folder: Path, name: str) -> ModuleType:
    """Load an extension by its file."""
    (file,) = folder.glob(f"{name}.*.so")
    # Another build's extension would come back under the same full name.
    package = str(folder).replace(".", "_")
    spec = importlib.util.spec_from_file_location(f"{package}.{name}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def aligned(source: Floats) -> Floats:
    """Return an equal array that begins with a sector, as a GPU's arrays do."""
    raw = np.empty(source.nbytes + 256, np.uint8)
    start = -raw.ctypes.data % 256
    moved = raw[start : start + source.nbytes].view(np.float32)
    moved[...] = source
    return moved


class Planted:
    """The planted kernels, each a small call over two arrays."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def run(
        self,
        name: str,
        source: Floats,
        size: int,
        *,
        blocks: int = 1,
        threads: int = 64,
        n: int | None = None,
        order: str = "forward",
        seed: int = 1,
        late_copies: bool = True,
    ) -> Floats:
        """Return what a kernel wrote; RuntimeError names what it did wrong."""
        out = aligned(np.full(size, np.nan, np.float32))
        self.module.configure(ORDERS.index(order), seed, late_copies)
        source = aligned(source)
        n = threads if n is None else n
        self.module.run(name, source, out, blocks, threads, n)
        return out
