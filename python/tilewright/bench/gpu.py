"""A GPU in a contestant's process: arrays, times by CUDA events, the roofline.

The time of a call is what passes on the GPU between two events, one before it and one
after. Before each call the L2 cache is overwritten, so that arrays come from memory
whatever the call before has left; and while the GPU does that the host goes ahead, so
that starting a kernel costs nothing as long as the host keeps up.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tilewright.bench.arrays import mapped_copy
from tilewright.bench.case import Array
from tilewright.extras import require
from tilewright.kernels.roofline import GPU_BLOCK, gpu_multiply_add

_WARM_SECONDS = 0.05
_BURST = 10  # calls before the host waits for them
_LEAST_FLUSHED = 64 << 20
_COPIED = 256 << 20  # far beyond every L2 cache
_BLOCKS_OF_A_MULTIPROCESSOR = 16
_STEPS = 2048
# How the probe multiplies what each precision multiplies, and in how many products.
_UNITS = {
    "fp32": ("fp32", 1),
    "3xtf32": ("tf32", 3),
    "tf32": ("tf32", 1),
    "bf16": ("bf16", 1),
}


def describe() -> dict[str, Any]:
    """What a report says of CuPy's current GPU, as plain JSON types.

    Returns
    -------
    dict
        ``name``, ``compute_capability``, ``multiprocessors``, ``memory_bytes``,
        ``l2_bytes``, ``driver`` (the CUDA that it supports, and its own version where
        the system tells it), ``runtime`` (CUDA's version in CuPy) and ``cupy``.
    """
    cupy = require("cupy", extra="cuda")
    device = cupy.cuda.Device()
    about = cupy.cuda.runtime.getDeviceProperties(device.id)
    name = about["name"]
    return {
        "name": name.decode() if isinstance(name, bytes) else str(name),
        "compute_capability": f"{about['major']}.{about['minor']}",
        "multiprocessors": int(about["multiProcessorCount"]),
        "memory_bytes": int(about["totalGlobalMem"]),
        "l2_bytes": int(about["l2CacheSize"]),
        "driver": _driver(cupy.cuda.runtime.driverGetVersion()),
        "runtime": _version(cupy.cuda.runtime.runtimeGetVersion()),
        "cupy": str(cupy.__version__),
    }


class Gpu:
    """CuPy's current GPU, for one library.

    Parameters
    ----------
    library : str
        Whose calls are timed: PyTorch has a stream of its own.
    precision : str
        Of products; see `tilewright.cuda.set_matmul_precision`.
    """

    def __init__(self, library: str, precision: str) -> None:
        self.cupy = require("cupy", extra="cuda")
        self._library = library
        self._set_precision(precision)

    def place(self, array: Array) -> Any:
        """Move an input to the GPU; PyTorch's contestants do so themselves."""
        if self._library == "torch":
            return mapped_copy(array)
        return self.cupy.asarray(array)

    def stopwatch(self, run: Callable[[], Any]) -> EventStopwatch:
        """A stopwatch for calls on the library's stream."""
        return EventStopwatch(self.cupy, run, self._stream())

    def release(self) -> None:
        """Give memory that is free back, for other contestants have the same GPU."""
        self.cupy.get_default_memory_pool().free_all_blocks()
        if self._library == "torch":
            require("torch", extra="peers").cuda.empty_cache()

    def _stream(self) -> Any:
        if self._library != "torch":
            return self.cupy.cuda.get_current_stream()
        torch = require("torch", extra="peers")
        return self.cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream)

    def _set_precision(self, precision: str) -> None:
        from tilewright.kernels.matmul_precision import set_matmul_precision

        set_matmul_precision(precision)
        if self._library != "torch":
            return
        from tilewright.bench import torch_tensors

        torch = require("torch", extra="peers")
        if not torch.cuda.is_available():
            raise RuntimeError(f"PyTorch {torch.__version__} finds no GPU")
        torch_tensors.use_device("cuda")
        # What PyTorch offers for float32 arrays; its cuDNN takes tf32 unless told.
        settings = {"tf32": "high", "bf16": "medium"}
        torch.set_float32_matmul_precision(settings.get(precision, "highest"))
        torch.backends.cudnn.allow_tf32 = precision in settings
        torch.backends.cudnn.benchmark = True  # it tries its algorithms first


class EventStopwatch:
    """Times one function by CUDA events, the L2 cache overwritten before each call.

    Parameters
    ----------
    cupy : module
    run : Callable
    stream : cupy.cuda.Stream
        That `run` works on.

    Attributes
    ----------
    calls : int
        Calls of a sample: one.
    """

    calls = 1

    def __init__(self, cupy: Any, run: Callable[[], Any], stream: Any) -> None:
        self._cuda = cupy.cuda
        self._run = run
        self._stream = stream
        about = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
        size = max(2 * int(about["l2CacheSize"]), _LEAST_FLUSHED)
        self._overwritten = cupy.empty((size,), "u1")
        begin = time.perf_counter()
        while time.perf_counter() - begin < _WARM_SECONDS:
            self._burst(1)

    def measure(self, seconds: float) -> list[float]:
        """Seconds of each call, for as many as fit and at least one burst of calls."""
        samples: list[float] = []
        begin = time.perf_counter()
        while not samples or time.perf_counter() - begin < seconds:
            samples += self._burst(_BURST)
        return samples

    def _burst(self, calls: int) -> list[float]:
        cuda, stream, memory = self._cuda, self._stream, self._overwritten
        events = [(cuda.Event(), cuda.Event()) for _ in range(calls)]
        for start, stop in events:
            memory.data.memset_async(0, memory.nbytes, stream)
            start.record(stream)
            self._run()
            stop.record(stream)
        events[-1][1].synchronize()
        return [cuda.get_elapsed_time(*pair) / 1e3 for pair in events]


def roofline(precision: str, seconds: float) -> dict[str, Any]:
    """Measure what the GPU does at most: see `tilewright.bench.roofline.Roofline`.

    Parameters
    ----------
    precision : str
        Whose multiply-adds a second are asked for: fp32 on the ordinary units, the
        others on tensor cores by mma.sync (Hopper's wgmma reaches more).
    seconds : float
        For each of its figures.

    Returns
    -------
    dict
        ``flops`` and ``copies``: one, between arrays that no cache holds.
    """
    cupy = require("cupy", extra="cuda")
    unit, products = _UNITS[precision]
    blocks = describe()["multiprocessors"] * _BLOCKS_OF_A_MULTIPROCESSOR
    sums = cupy.empty((blocks * GPU_BLOCK,), "f4")

    def start_anew() -> None:
        sums.fill(0.5)

    start_anew()
    flops = _STEPS * gpu_multiply_add(unit, sums, 1)  # which loads the kernel
    multiplied = _least_seconds(
        cupy, lambda: gpu_multiply_add(unit, sums, _STEPS), seconds, start_anew
    )
    source, target = (cupy.empty((_COPIED,), "u1") for _ in range(2))
    stream = cupy.cuda.get_current_stream()
    source.data.memset_async(0, _COPIED, stream)
    copied = _least_seconds(
        cupy,
        lambda: target.data.copy_from_device_async(source.data, _COPIED, stream),
        seconds,
    )
    return {
        "flops": flops / multiplied / products,
        "copies": [[2 * _COPIED, 2 * _COPIED / copied]],
    }


def _least_seconds(
    cupy: Any,
    run: Callable[[], Any],
    seconds: float,
    before: Callable[[], None] = lambda: None,
) -> float:
    cuda, stream = cupy.cuda, cupy.cuda.get_current_stream()
    best = float("inf")
    begin = time.perf_counter()
    while best == float("inf") or time.perf_counter() - begin < seconds:
        before()
        start, stop = cuda.Event(), cuda.Event()
        start.record(stream)
        run()
        stop.record(stream)
        stop.synchronize()
        best = min(best, cuda.get_elapsed_time(start, stop) / 1e3)
    return best


def _version(number: int) -> str:
    """As CUDA numbers its versions.

    Examples
    --------
    >>> _version(13020)
    '13.2'
    """
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver(number: int) -> str:
    text = f"for CUDA {_version(number)}"
    with contextlib.suppress(OSError, IndexError):
        line = Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
        text += f" ({' '.join(line.partition(':')[2].split())})"
    return text
