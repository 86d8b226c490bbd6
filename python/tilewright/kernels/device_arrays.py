"""What is asked of arrays that may be NumPy's or CuPy's.

CuPy is not imported here: who has no array of it need not have it either.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from tilewright.kernels.backends.protocol import Array


def on_device(value: Any) -> bool:
    """Return whether a value is CuPy's array."""
    kind = type(value)
    return kind.__name__ == "ndarray" and kind.__module__.partition(".")[0] == "cupy"


def is_array(value: Any) -> bool:
    """Return whether a value is an array: NumPy's or CuPy's."""
    return isinstance(value, np.ndarray) or on_device(value)


def kind(value: Any) -> str:
    """Return whose array it is, for messages."""
    return "a CuPy array" if on_device(value) else "a NumPy array"


def device_of(value: Any) -> str:
    """Return where an array lies: ``"cpu"``, ``"cuda:0"`` and so on."""
    if on_device(value):
        return f"cuda:{value.device.id}"
    return "cpu"


def in_order(value: Array) -> bool:
    """Return whether an array is C-contiguous and aligned."""
    flags = value.flags
    # CuPy's arrays are always aligned, and have no flag that says so.
    return flags.c_contiguous and (type(value) is not np.ndarray or flags.aligned)


def may_be_written(value: Array) -> bool:
    """Return whether an array is writeable and aligned, whatever its strides."""
    return on_device(value) or (value.flags.writeable and value.flags.aligned)


def address(value: Array) -> int:
    """Return where an array's elements begin."""
    if on_device(value):
        pointer: int = value.data.ptr  # type: ignore[attr-defined]
        return pointer
    begin: int = value.__array_interface__["data"][0]
    return begin


def may_share_memory(a: Array, b: Any) -> bool:
    """Return whether two arrays might overlap; those of two libraries do not."""
    if on_device(a) != on_device(b):
        return False
    library = importlib.import_module("cupy") if on_device(a) else np
    return bool(library.may_share_memory(a, b))
