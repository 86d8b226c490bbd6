"""A GPU for processes that have none: the simulator, and CuPy's stand-in over it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import host_cupy

import tilewright

HERE = Path(__file__).resolve().parent
# What returns something, and is captured in no graph.
RETURNING = {"multiply_add"}
# Python runs it at the start of each process that finds it.
START = """
import sys
sys.path += {paths!r}
import pretend
pretend.install({folder!r})
"""


def cuda_extension(simulator: ModuleType) -> ModuleType:
    """Return the simulator as ``tilewright._cuda`` would be where a GPU is."""
    extension = ModuleType("tilewright._cuda")
    for name, value in vars(simulator).items():
        known = value if name in RETURNING else host_cupy.launched(name, value)
        setattr(extension, name, known)
    vars(extension).update(
        __spec__=ModuleSpec("tilewright._cuda", None),
        version=tilewright.__version__,
        architectures="90-virtual",
        gpus=lambda: [("a simulated GPU", (9, 0))],
        runtime_text=lambda: "simulated",
        unavailable_reason=lambda: "",
    )
    return extension


def install(folder: str) -> None:
    """Put both in the place of the real ones, in this process."""
    from simulator import load

    simulator = load(Path(folder), "_cudasim")
    sys.modules["tilewright._cudasim"] = simulator
    sys.modules["tilewright._cuda"] = cuda_extension(simulator)
    sys.modules["cupy"] = host_cupy.module()


def for_children(simulator: ModuleType, folder: Path) -> str:
    """Write what does so in other processes; return the path that they need."""
    paths = [str(HERE), str(HERE.parent / "cudasim")]
    assert simulator.__file__ is not None
    built = str(Path(simulator.__file__).parent)
    text = START.format(paths=paths, folder=built)
    (folder / "sitecustomize.py").write_text(text)
    return str(folder)
