"""CuPy's part for machines without a GPU: arrays that are NumPy's underneath.

What tilewright asks of CuPy, with CuPy's names and nothing else, so that anything
that works on NumPy's arrays alone is found here too. The kernels behind it are the
simulator's.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np


class Pointer:
    def __init__(self, ptr: int) -> None:
        self.ptr = ptr


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

    def __getitem__(self, key: Any) -> ndarray:
        return ndarray(self.host[key])


ndarray.__module__ = "cupy"


class Stream:
    ptr = 0


def module() -> types.ModuleType:
    """Return what ``import cupy`` is to give."""
    cupy = types.ModuleType("cupy")
    cupy.ndarray = ndarray  # type: ignore[attr-defined]
    cupy.empty = lambda shape, dtype: ndarray(  # type: ignore[attr-defined]
        np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 171, dtype)
    )
    # A GPU's arrays are aligned, and asarray makes strided ones contiguous.
    cupy.asarray = lambda a: ndarray(np.array(a, order="C"))  # type: ignore[attr-defined]
    cupy.asnumpy = lambda a: a.host.copy()  # type: ignore[attr-defined]
    cupy.may_share_memory = lambda a, b: np.may_share_memory(  # type: ignore[attr-defined]
        a.host, b.host
    )
    cupy.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        get_current_stream=lambda: Stream()
    )
    return cupy
