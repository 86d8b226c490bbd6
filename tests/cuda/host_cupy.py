"""CuPy's part for machines without a GPU: arrays that are NumPy's underneath.

What tilewright asks of CuPy, with CuPy's names, arguments and refusals and nothing
else, so that anything that works on NumPy's arrays alone is found here too. The
kernels behind it are the simulator's; order between streams is watched by
host_streams.py.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

import host_streams
import numpy as np
from host_streams import Memory, OrderError, World

# CuPy's functions that NumPy's reach by their name, with the options that it has.
FUNCTIONS = {
    "arange": {"dtype"},
    "argsort": {"axis", "kind"},
    "broadcast_to": set(),
    "clip": {"a_min", "a_max", "out"},
    "concatenate": {"axis", "out", "dtype", "casting"},
    "copyto": {"casting", "where"},
    "expand_dims": set(),
    "full_like": {"dtype", "order", "subok", "shape"},
    "moveaxis": set(),
    "ones_like": {"dtype", "order", "subok", "shape"},
    "reshape": {"order"},
    "shape": set(),
    "split": {"axis"},
    "stack": {"axis"},
    "sum": {"axis", "dtype", "out", "keepdims"},
    "take_along_axis": {"axis"},
    "where": set(),
    "zeros": {"dtype", "order"},
    "zeros_like": {"dtype", "order", "subok", "shape"},
}
PROPERTIES = {
    "name": b"a simulated GPU",
    "major": 9,
    "minor": 0,
    "multiProcessorCount": 1,
    "totalGlobalMem": 1 << 30,
    "l2CacheSize": 1 << 20,
}
_SCALARS = (bool, int, float, np.generic)
_LARGE = 1 << 24

world = World()


class Pointer:
    """Where an array lies; whoever asks for the address gives it to a kernel."""

    def __init__(self, array: ndarray) -> None:
        self.array = array
        self.device_id = array.memory.device

    @property
    def ptr(self) -> int:
        self.array.memory.use(write=True)
        return self.array.raw.ctypes.data

    def memset_async(self, value: int, size: int, stream: Any) -> None:
        world.log.append("memset")

    def copy_from_device_async(self, source: Pointer, size: int, stream: Any) -> None:
        world.log.append("copy")


class Flags:
    """CuPy's flags: less of them than NumPy has."""

    def __init__(self, array: np.ndarray) -> None:
        self.c_contiguous = array.flags.c_contiguous
        self.f_contiguous = array.flags.f_contiguous
        self.owndata = array.flags.owndata


def host_of(value: Any) -> Any:
    """What NumPy computes with in the place of an argument."""
    if isinstance(value, ndarray):
        return value.raw
    if isinstance(value, (list, tuple)):
        return type(value)(host_of(item) for item in value)
    return value


def arrays_in(value: Any) -> list[ndarray]:
    if isinstance(value, ndarray):
        return [value]
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in arrays_in(item)]
    return []


def quietly(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with np.errstate(all="ignore"):
        return function(*args, **kwargs)


def launch(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Compute something new, or what shows the memory of the first argument."""
    read = arrays_in(args)
    for array in read:
        array.memory.use(write=False)
    hosts, options = host_of(args), {k: host_of(v) for k, v in kwargs.items()}
    work = functools.partial(quietly, function, *hosts, **options)
    result = work()
    if isinstance(result, (list, tuple)):
        return type(result)([_shown(each, read) for each in result])
    if isinstance(result, np.ndarray) and result.size and read:
        for array in read:
            if np.may_share_memory(result, array.raw):
                return _shown(result, [array])
    made = np.array(result, order="K")
    out = ndarray(made)
    out.memory.use(write=True)
    if world.graph is not None:
        made.fill(_poison(made.dtype))
        world.graph.nodes.append(lambda: np.copyto(made, work()))
    else:
        world.stream.count += 1
    return out


def _shown(result: np.ndarray, arrays: list[ndarray]) -> ndarray:
    base = arrays[0]
    view = ndarray(result, memory=base.memory)
    view.base = base if base.base is None else base.base
    return view


def _poison(dtype: np.dtype[Any]) -> Any:
    return np.nan if dtype.kind == "f" else np.array(171).astype(dtype)


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):  # noqa: N801
    """An array that no NumPy function takes by accident."""

    __array_priority__ = 100

    def __init__(self, host: np.ndarray, memory: Memory | None = None) -> None:
        self.raw = host
        self.memory = memory or Memory(world, host)
        self.base: ndarray | None = None

    @property
    def host(self) -> np.ndarray:
        """The elements, as a test looks at them."""
        self.memory.use(write=False)
        return self.raw

    def __array__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_function__(self, function: Any, kinds: Any, args: Any, kw: Any) -> Any:
        name = function.__name__
        if name not in FUNCTIONS:
            return NotImplemented
        unknown = set(kw) - FUNCTIONS[name]
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown}")
        _refuse_numpy(args)
        if name == "shape":
            return args[0].shape
        if name == "copyto":
            target, source = args
            target[...] = source
            return None
        return launch(function, *args, **kw)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        if method == "reduce" and ufunc in (np.add, np.multiply):
            assert set(kw) <= {"axis", "dtype", "out", "keepdims"}, kw
            return launch(ufunc.reduce, *inputs, **kw)
        if method == "at":
            raise OrderError(f"cupy.{ufunc.__name__}.at adds by atomics, in any order")
        if method != "__call__":
            return NotImplemented
        _refuse_numpy(inputs)
        if not all(isinstance(x, (*_SCALARS, ndarray)) for x in inputs):
            return NotImplemented
        outs = kw.pop("out", ())
        if not outs:
            return launch(ufunc, *inputs, **kw)
        (out,) = outs
        if not isinstance(out, ndarray):
            return NotImplemented
        for array in arrays_in(inputs):
            array.memory.use(write=False)
        out.memory.use(write=True)
        hosts = host_of(inputs)
        world.run(lambda: quietly(ufunc, *hosts, out=out.raw, **kw))
        return out

    dtype = property(lambda self: self.raw.dtype)
    shape = property(lambda self: self.raw.shape)
    ndim = property(lambda self: self.raw.ndim)
    size = property(lambda self: self.raw.size)
    itemsize = property(lambda self: self.raw.itemsize)
    strides = property(lambda self: self.raw.strides)
    nbytes = property(lambda self: self.raw.nbytes)
    flags = property(lambda self: Flags(self.raw))
    device = property(lambda self: host_streams.Device(world, self.memory.device))
    data = property(Pointer)
    T = property(lambda self: launch(np.transpose, self))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.raw.ctypes.data, False),
            "version": 3,
            "strides": None if self.flags.c_contiguous else self.strides,
            "stream": 1,
        }

    def __dlpack__(self, stream: Any = None) -> Any:
        return ("capsule", self)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.memory.device

    def copy(self, order: str = "C") -> ndarray:
        if self.memory.device != world.device:
            made = ndarray(self.raw.copy())
            made.memory.use(write=True)
            return made
        return launch(lambda host: np.array(host, order=order), self)  # type: ignore[call-overload]

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, copy: bool = True
    ) -> ndarray:
        if not copy and self.dtype == dtype:
            return self
        return launch(lambda host: np.array(host, dtype=dtype), self)

    def reshape(self, *shape: Any, order: str = "C") -> ndarray:
        return launch(lambda host: host.reshape(*shape), self)

    def transpose(self, *axes: Any) -> ndarray:
        return launch(lambda host: host.transpose(*axes), self)

    def swapaxes(self, a: int, b: int) -> ndarray:
        return launch(lambda host: host.swapaxes(a, b), self)

    def sum(self, axis: Any = None, dtype: Any = None, out: None = None,
            keepdims: bool = False) -> ndarray:  # fmt: skip
        return launch(np.sum, self, axis=axis, dtype=dtype, keepdims=keepdims)

    def max(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
        return launch(np.max, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
        return launch(np.min, self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
        return launch(np.any, self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
        return launch(np.all, self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        return launch(np.argmax, self, axis=axis)

    def argmin(self, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
        return launch(np.argmin, self, axis=axis)

    def fill(self, value: Any) -> None:
        self[...] = value

    def view(self, dtype: Any = None) -> ndarray:
        return launch(lambda host: host.view(dtype), self)

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, key: Any) -> ndarray:
        key = host_of(key)
        # Everything is a view of CuPy's but what fancy indices collect.
        return launch(lambda host: _at(host, key), self)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        for array in arrays_in([value]):
            array.memory.use(write=False)
        self.memory.use(write=True)
        key, source = host_of(key), host_of(value)
        world.run(lambda: self.raw.__setitem__(key, source))

    # What waits for the GPU.

    def get(self, stream: Any = None, order: str = "C", out: None = None) -> np.ndarray:
        world.synchronize()
        self.memory.use(write=False)
        return np.array(self.raw, order="C")

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __format__(self, text: str) -> str:
        return format(self.item(), text)

    def set(self, host: np.ndarray, stream: Any = None) -> None:
        if world.graph is not None:
            raise OrderError("a graph would read host memory at each run")
        if not isinstance(host, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if (self.dtype, self.shape) != (host.dtype, host.shape):
            raise ValueError(f"{host.dtype} {host.shape} set to {self.shape}")
        if not self.flags.c_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        stream = stream or world.stream
        with stream:
            self.memory.use(write=True)
            stream.count += 1
        self.memory.copy = lambda: np.copyto(self.raw, host)
        if world.is_pinned(host):
            stream.copies.append((stream.count, self.memory))
        else:
            self.memory.arrive()


def _at(host: np.ndarray, key: Any) -> Any:
    part = host[key]
    if isinstance(part, np.generic):
        part = host[(*key, ...) if isinstance(key, tuple) else (key, ...)]
    return part


def _refuse_numpy(args: Any) -> None:
    for value in args:
        if isinstance(value, (list, tuple)):
            _refuse_numpy(value)
        elif isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")


ndarray.__module__ = "cupy"


def empty(shape: Any, dtype: Any = float) -> ndarray:
    """An array of NaN, or of a code that no window has, unless it is very large."""
    host = np.empty(shape, dtype)
    if host.nbytes < _LARGE:
        host.fill(_poison(host.dtype))
    return ndarray(host)


def asarray(value: Any) -> ndarray:
    if isinstance(value, ndarray):
        return value
    host = np.array(value, order="C")
    made = ndarray(np.empty(host.shape, host.dtype))
    made.set(host)
    return made


def asnumpy(value: Any) -> np.ndarray:
    return value.get() if isinstance(value, ndarray) else np.asarray(value)


def alloc_pinned_memory(size: int) -> Any:
    # As much as CuPy's pool rounds it up to.
    buffer = np.full(-(-size // 512) * 512, 171, np.uint8)
    world.pinned.append(buffer)
    return memoryview(buffer)


def launched(name: str, value: Any) -> Any:
    """What is in the extension: of functions that launch kernels, what graphs note."""
    if not callable(value) or name.startswith("_") or name.endswith("_coefficients"):
        return value

    def call(*args: Any) -> Any:
        if world.graph is None:
            world.stream.count += 1
            return value(*args)
        # What it is given is checked by the binding when it runs.
        world.graph.nodes.append(functools.partial(value, *args))
        return None

    return call


def module() -> types.ModuleType:
    """Return what ``import cupy`` is to give, over a GPU that is new."""
    global world
    world = World()
    cupy: Any = types.ModuleType("cupy")
    cupy.__version__ = "0 (simulated)"
    cupy.__spec__ = ModuleSpec("cupy", None)
    cupy.ndarray = ndarray
    cupy.empty, cupy.asarray, cupy.asnumpy = empty, asarray, asnumpy
    cupy.from_dlpack = lambda array: array.__dlpack__()[1]
    cupy.get_default_memory_pool = lambda: types.SimpleNamespace(
        free_all_blocks=lambda: None
    )
    cupy.may_share_memory = lambda a, b: np.may_share_memory(a.raw, b.raw)
    cupy.cuda = types.SimpleNamespace(
        Device=lambda number=None: host_streams.Device(
            world, world.device if number is None else number
        ),
        Event=host_streams.Event,
        MemoryPool=host_streams.MemoryPool,
        Stream=functools.partial(host_streams.Stream, world),
        alloc_pinned_memory=alloc_pinned_memory,
        get_current_stream=lambda: world.stream,
        get_elapsed_time=lambda start, stop: 1e3 * (stop.seconds - start.seconds),
        runtime=types.SimpleNamespace(
            deviceSynchronize=lambda: world.null.synchronize(),
            getDevice=lambda: world.device,
            getDeviceCount=lambda: 2,
            getDeviceProperties=lambda number: dict(PROPERTIES),
            driverGetVersion=lambda: 13010,
            runtimeGetVersion=lambda: 13000,
        ),
        using_allocator=functools.partial(host_streams.using_allocator, world),
    )
    cupy.world = world
    return cupy
