"""What is installed here and what will run: :func:`info`."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tilewright
from tilewright.kernels import control, cuda_extension, dispatch


def info() -> dict[str, Any]:
    """Describe this installation and this machine, as plain JSON types.

    Returns
    -------
    dict
        ``version``, ``python``, ``numpy`` (versions); ``platform`` and ``cpu``
        (the processor's name); ``backends`` (each backend's name, and None where
        it is available or else the reason why not); ``backend`` (the one that
        float32 arrays go to now); ``cuda`` (what there is for NVIDIA GPUs:
        extension, architectures, runtime, GPUs, CuPy; None without an extension that
        fits); and, where the compiled extension for CPUs is there,
        ``isa``, ``available_isas``, ``threads``, ``default_threads``,
        ``threads_source`` (what decided the default: the environment, the
        affinity mask, the cgroup's quota...), ``algorithms`` (per kernel family,
        best first), ``compiler`` and ``sanitizers``; these are None without it.

    Examples
    --------
    >>> info()["version"] == tilewright.__version__
    True
    """
    backends = {name: dispatch.unavailable_reason(name) for name in dispatch.names()}
    result: dict[str, Any] = {
        "version": tilewright.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "backends": backends,
        "backend": None,
        "cuda": cuda_extension.describe(),
        "isa": None,
        "available_isas": [],
        "threads": None,
        "default_threads": None,
        "threads_source": None,
        "algorithms": {},
        "compiler": None,
        "sanitizers": None,
    }
    if backends.get(dispatch.chosen()) is None:
        result["backend"] = dispatch.for_dtype("info", np.dtype(np.float32)).name
    if backends["cpu"] is None:
        build = control.build_info()
        default_threads, source = control.default_num_threads()
        result.update(
            isa=control.isa(),
            available_isas=control.available_isas(),
            threads=control.get_num_threads(),
            default_threads=default_threads,
            threads_source=source,
            algorithms=control.all_algorithms(),
            compiler=build["compiler"],
            sanitizers=build["sanitizers"],
        )
    return result


def _cpu_name() -> str:
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Model"):
                    return value.strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()
