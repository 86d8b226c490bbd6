"""The devices that arrays live on, by name, and the way from one to another.

``"cpu"`` is the machine's memory and NumPy's arrays; ``"cuda:0"``, ``"cuda:1"`` and so
on are the memories of GPUs and CuPy's arrays; ``"cuda"`` is CuPy's current device.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from tilewright.errors import BackendUnavailableError
from tilewright.kernels import capturing, dispatch
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.device_arrays import device_of, in_order, is_array, on_device

CPU = "cpu"


def is_name(value: Any) -> bool:
    """Return whether a value is meant to name a device."""
    if not isinstance(value, str):
        return False
    return value.partition(":")[0] in (CPU, dispatch.CUDA, "gpu")


def checked(op: str, device: Any) -> str:
    """Return the full name of a device that is here.

    Parameters
    ----------
    op
        The function's name, for messages.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Raises
    ------
    ValueError
        If it is no such name.
    BackendUnavailableError
        If it is a GPU, and it, its driver, CuPy or the kernels are not here.

    Examples
    --------
    >>> checked("to", "cpu")
    'cpu'
    """
    if device == CPU:
        return CPU
    kind, colon, number = device.partition(":") if isinstance(device, str) else [""] * 3
    if kind != dispatch.CUDA or bool(colon) != number.isdecimal():
        raise ValueError(
            f"{op}: device must be 'cpu', 'cuda' or 'cuda:N', got {device!r}"
        )
    try:
        dispatch.load(dispatch.CUDA)
    except BackendUnavailableError as error:
        raise BackendUnavailableError(
            f"{op}: {device!r} is not available: {error}"
        ) from None
    runtime = cupy().cuda.runtime
    if not number:
        return f"cuda:{runtime.getDevice()}"
    if int(number) >= (count := runtime.getDeviceCount()):
        raise BackendUnavailableError(
            f"{op}: {device!r} is not available: there are {count} GPUs"
        )
    return f"cuda:{int(number)}"


def cupy() -> Any:
    """Return the module CuPy; whoever asks has an array of it or a checked device."""
    return importlib.import_module("cupy")


def on(device: str) -> contextlib.AbstractContextManager[Any]:
    """Return what makes a checked device CuPy's current one in a ``with`` block."""
    if device == CPU:
        return contextlib.nullcontext()
    manager: contextlib.AbstractContextManager[Any] = cupy().cuda.Device(
        int(device.partition(":")[2])
    )
    return manager


def moved(array: Array, device: str) -> Array:
    """Return an array on a checked device: itself where it is there, else a copy."""
    if device_of(array) == device:
        return array
    if device == CPU:
        return to_host(array)
    if not on_device(array):
        capturing.refuse("a copy from the CPU")
    with on(device):
        copy: Array = array.copy() if on_device(array) else cupy().asarray(array)
        return copy


def to_host(array: Array) -> Array:
    """Return a NumPy array: itself, or what has been waited for and copied."""
    if on_device(array):
        host: Array = cupy().asnumpy(array)
        return host
    return array


def host_copy(array: Array) -> Array:
    """Return a new NumPy array in C order with the elements of an array."""
    if on_device(array):
        return to_host(array)
    return np.array(array, order="C")


def assign(target: Array, values: Array) -> None:
    """Overwrite the elements of an array by those of another, wherever both lie.

    Parameters
    ----------
    target
        On a GPU, it must be C-contiguous.
    values
        Of target's shape, or for an array of NumPy's of one that broadcasts to it.
    """
    if not on_device(target):
        target[...] = to_host(values)
        return
    here = moved(values, device_of(target)) if is_array(values) else values
    target[...] = here


def expect_same(op: str, arrays: Iterable[Any]) -> None:
    """Raise TypeError if two of these values are arrays on different devices."""
    seen: str | None = None
    for value in arrays:
        if not is_array(value):
            continue
        device = device_of(value)
        if seen is not None and device != seen:
            raise TypeError(
                f"{op}: all arrays must be on one device, got {seen} and {device}; "
                "move one of them with .to(...)"
            )
        seen = device


def kernel_order(array: Array) -> Array:
    """Return an array as kernels take it, contiguous and aligned: itself or a copy."""
    return array if in_order(array) else array.copy(order="C")
