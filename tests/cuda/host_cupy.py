"""CuPy's part for machines without a GPU: arrays that are NumPy's underneath.

What tilewright asks of CuPy, with CuPy's names and nothing else, so that anything
that works on NumPy's arrays alone is found here too. The kernels behind it are the
simulator's.
"""

from __future__ import annotations

import time
import types
from typing import Any

import numpy as np


class Pointer:
    def __init__(self, ptr: int) -> None:
        self.ptr = ptr

    def memset_async(self, value: int, size: int, stream: Stream) -> None:
        log.append("memset")

    def copy_from_device_async(
        self, source: Pointer, size: int, stream: Stream
    ) -> None:
        log.append("copy")


class Flags:
    """CuPy's flags: less of them than NumPy has."""

    def __init__(self, array: np.ndarray) -> None:
        self.c_contiguous = array.flags.c_contiguous
        self.f_contiguous = array.flags.f_contiguous
        self.owndata = array.flags.owndata


class ndarray:  # noqa: N801
    """An array that no NumPy function takes by accident."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    def __array__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __array_function__(self, function: Any, kinds: Any, args: Any, kw: Any) -> Any:
        # NumPy's functions of shape reach CuPy's of the same name.
        assert function in (np.moveaxis, np.reshape), function
        host = [a.host if isinstance(a, ndarray) else a for a in args]
        return ndarray(function(*host, **kw))

    dtype = property(lambda self: self.host.dtype)
    shape = property(lambda self: self.host.shape)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    itemsize = property(lambda self: self.host.itemsize)
    strides = property(lambda self: self.host.strides)
    nbytes = property(lambda self: self.host.nbytes)
    flags = property(lambda self: Flags(self.host))
    data = property(lambda self: Pointer(self.host.ctypes.data))
    T = property(lambda self: ndarray(self.host.T))

    def copy(self, order: str = "C") -> ndarray:
        return ndarray(self.host.copy(order=order))  # type: ignore[call-overload]

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        return ndarray(self.host.astype(dtype, copy=copy))

    def reshape(self, *shape: Any) -> ndarray:
        return ndarray(self.host.reshape(*shape))

    def fill(self, value: Any) -> None:
        self.host.fill(value)

    def __getitem__(self, key: Any) -> ndarray:
        return ndarray(self.host[key])


ndarray.__module__ = "cupy"


class Stream:
    ptr = 0


class Event:
    """A moment on the host, which is where the stand-in computes."""

    def record(self, stream: Stream) -> None:
        log.append("record")
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        log.append("synchronize")


log: list[str] = []  # what was asked of the GPU, in order
PROPERTIES = {
    "name": b"a simulated GPU",
    "major": 9,
    "minor": 0,
    "multiProcessorCount": 1,
    "totalGlobalMem": 1 << 30,
    "l2CacheSize": 1 << 20,
}


def empty(shape: Any, dtype: Any) -> ndarray:
    """An array of NaN, or of a code that no window has, unless it is very large."""
    array = np.empty(shape, dtype)
    if array.nbytes < 1 << 24:
        array.fill(np.nan if array.dtype.kind == "f" else 171)
    return ndarray(array)


def cuda() -> types.SimpleNamespace:
    runtime = types.SimpleNamespace(
        getDeviceProperties=lambda number: dict(PROPERTIES),
        driverGetVersion=lambda: 13010,
        runtimeGetVersion=lambda: 13000,
    )
    return types.SimpleNamespace(
        Event=Event,
        Device=lambda: types.SimpleNamespace(id=0),
        get_current_stream=lambda: Stream(),
        get_elapsed_time=lambda start, stop: 1e3 * (stop.seconds - start.seconds),
        runtime=runtime,
    )


def module() -> types.ModuleType:
    """Return what ``import cupy`` is to give."""
    cupy = types.ModuleType("cupy")
    cupy.ndarray = ndarray  # type: ignore[attr-defined]
    cupy.__version__ = "0 (simulated)"  # type: ignore[attr-defined]
    cupy.empty = empty  # type: ignore[attr-defined]
    # A GPU's arrays are aligned, and asarray makes strided ones contiguous.
    cupy.asarray = lambda a: ndarray(np.array(a, order="C"))  # type: ignore[attr-defined]
    cupy.asnumpy = lambda a: a.host.copy()  # type: ignore[attr-defined]
    cupy.may_share_memory = lambda a, b: np.may_share_memory(  # type: ignore[attr-defined]
        a.host, b.host
    )
    cupy.cuda = cuda()  # type: ignore[attr-defined]
    return cupy
