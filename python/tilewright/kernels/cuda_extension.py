"""Finding the compiled CUDA kernels, and saying what is missing to run them.

They are in the companion wheel, ``tilewright-cuda``, or in this package itself where
that was installed from source with ``-Ccmake.define.TILEWRIGHT_CUDA=ON``. Either must
be of this very version, and have the interface that the adapters call.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
from types import ModuleType
from typing import Any

from tilewright import __version__
from tilewright.extras import require

ABI = 6  # as in csrc/bindings/cuda/kernels.cpp
# A developer's own build counts before a wheel.
HOMES = ("tilewright._cuda", "tilewright_cuda._cuda")
# CuPy has a package for each CUDA.
CUPY_PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "cupy")


def find() -> str | None:
    """Return the name of the extension's module, or None where it is not installed."""
    for home in HOMES:
        try:
            if importlib.util.find_spec(home) is not None:
                return home
        except ModuleNotFoundError:  # not even the package that would have it
            continue
    return None


def load() -> ModuleType:
    """Return the extension, whether or not anything can run here.

    Raises
    ------
    ImportError
        If it is not installed, does not load, or does not fit; the message says
        which wheel to install.
    """
    home = find()
    if home is None:
        raise ImportError(
            f"the CUDA kernels are not installed: {_remedy()}, or install tilewright "
            "from source, where nvcc is, with -Ccmake.define.TILEWRIGHT_CUDA=ON"
        )
    try:
        extension = importlib.import_module(home)
    except ImportError as error:
        raise ImportError(f"{home} does not load ({error}): {_remedy()}") from error
    expect_fit(extension, home)
    return extension


def expect_fit(extension: ModuleType, home: str) -> None:
    """Check that an extension belongs to this tilewright.

    Raises
    ------
    ImportError
        If its version or the number of its interface is another.
    """
    version = getattr(extension, "version", "unknown")
    if version != __version__:
        raise ImportError(
            f"{home} is of version {version} and tilewright of {__version__}: "
            f"{_remedy()}"
        )
    abi = getattr(extension, "abi", None)
    if abi != ABI:
        raise ImportError(
            f"{home} has the interface {abi} and tilewright calls the interface "
            f"{ABI}: {_remedy()}, built from the same sources"
        )


def missing(extension: ModuleType) -> list[str]:
    """Return all that an extension lacks here to run kernels, in words."""
    found = []
    reason: str = extension.unavailable_reason()
    if not reason and not _any_suits(extension):
        names = ", ".join(
            f"{name} ({major}.{minor})" for name, (major, minor) in extension.gpus()
        )
        reason = (
            f"the kernels are compiled for {extension.architectures}, and no GPU here "
            f"is one of these or newer: {names}"
        )
    if reason:
        found.append(reason)
    try:
        require("cupy", extra="cuda")
    except ImportError as error:
        found.append(str(error).removeprefix("tilewright: "))
    return found


def describe() -> dict[str, Any] | None:
    """Return what there is for GPUs as plain JSON types, for reports.

    Returns
    -------
    dict or None
        ``extension`` (its module's name), ``architectures`` (compiled for),
        ``runtime`` (versions of CUDA, or what is missing), ``gpus`` (names and
        compute capabilities) and ``cupy`` (its version); None without an extension
        that fits.
    """
    try:
        extension = load()
    except ImportError:
        return None
    gpus = [f"{name} ({major}.{minor})" for name, (major, minor) in extension.gpus()]
    return {
        "extension": extension.__name__,
        "architectures": extension.architectures.split(),
        "runtime": extension.runtime_text(),
        "gpus": gpus,
        "cupy": _cupy_version(),
    }


def runs_on(architecture: str, capability: tuple[int, int]) -> bool:
    """Return whether code compiled for an architecture runs on a GPU.

    Machine code runs on GPUs of the same generation that are not older, PTX on all
    that are not older, and the code of an "a" target on that one alone.

    Parameters
    ----------
    architecture
        As CMake names it: ``"80-real"``, ``"90-virtual"``, ``"90a-real"``, or
        ``"80"`` for both kinds.
    capability
        The GPU's compute capability.

    Examples
    --------
    >>> runs_on("80-real", (8, 6)), runs_on("80-real", (9, 0))
    (True, False)
    """
    number, _, kind = architecture.partition("-")
    digits = number.rstrip("af")
    compiled = int(digits[:-1]), int(digits[-1])
    if number.endswith("a"):
        return capability == compiled
    if kind != "real" and capability >= compiled:
        return True
    same_generation = capability[0] == compiled[0] and capability >= compiled
    return kind != "virtual" and same_generation


def _any_suits(extension: ModuleType) -> bool:
    return any(
        runs_on(architecture, capability)
        for architecture in extension.architectures.split()
        for _, capability in extension.gpus()
    )


def _cupy_version() -> str | None:
    """Ask the installer's records: importing CuPy takes a while."""
    for name in CUPY_PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


def _remedy() -> str:
    return f"install the wheel tilewright-cuda=={__version__}"
