"""Calling a kernel on CuPy's arrays where the arguments are NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.extras import require

if TYPE_CHECKING:
    from tilewright.kernels.conformance.case import Arguments


def on_cupy_arrays(function: Callable[..., Any], arguments: Arguments) -> Any:
    """Call a function with its arrays moved to the GPU; return its results moved back.

    What it did to its arrays is done to the NumPy arrays too, and a result that is
    the array given as ``out`` is returned as that.
    """
    cupy = require("cupy", extra="cuda")
    pairs: list[tuple[Any, Any]] = []

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(item) for item in value]
        if not isinstance(value, np.ndarray):
            return value
        for host, device in pairs:
            if host is value:  # an array given twice is one on the GPU as well
                return device
        pairs.append((value, cupy.asarray(value)))
        return pairs[-1][1]

    def back(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(back(item) for item in value)
        for host, device in pairs:
            if device is value:
                return host
        return None if value is None else cupy.asnumpy(value)

    args = [moved(value) for value in arguments.args]
    options = {name: moved(value) for name, value in arguments.options.items()}
    result = function(*args, **options)
    for host, device in pairs:
        if host.flags.writeable:
            np.copyto(host, cupy.asnumpy(device))
    return back(result)
