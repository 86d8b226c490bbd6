"""The checks of an optimizer's lists of arrays, before any of them is written.

They are paid at every training step for every parameter, so the common case (float32
arrays as kernels take them) is decided in C++, where that is here.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import Array, Shape
from tilewright.kernels.device_arrays import address, on_device


class InPlace(NamedTuple):
    """Checked lists, and their dtype (None where they are empty)."""

    params: list[Array]
    grads: list[Array]
    states: list[list[Array]]
    dtype: np.dtype[Any] | None


def checked(
    op: str, params: Any, grads: Any, states: Sequence[tuple[str, Any]]
) -> InPlace:
    """Check that params and states may be overwritten from grads.

    Parameters
    ----------
    op
        The function's name, for messages.
    params, grads
        Lists of arrays.
    states
        Further lists that are overwritten, each with its name.

    Raises
    ------
    ValueError
        If lengths or shapes differ, or an array cannot be written or overlaps.
    TypeError
        If something is no list, no array, or of another dtype.
    """
    params = _list(op, "params", params)
    others = [("grads", _list(op, "grads", grads))]
    others += [(name, _list(op, name, arrays)) for name, arrays in states]
    for name, arrays in others:
        if len(arrays) != len(params):
            raise ValueError(
                f"{op}: {name} must have as many arrays as params, "
                f"got {len(arrays)} for {len(params)}"
            )
    if not params:
        return InPlace([], [], [[] for _ in states], None)
    decide = _ready()
    rest = [arrays for _, arrays in others[1:]]
    if decide is not None and decide(params, others[0][1], rest):
        return InPlace(params, others[0][1], rest, checks.FLOAT32)
    first = checks.floating(op, "params[0]", params[0], None)
    dtype = first.dtype
    if on_device(first) or any(map(on_device, others[0][1])):
        _expect_one_memory(op, first, [("params", params), *others])
    given_grads = others[0][1]
    ready_params = []
    ready_grads = []
    ready_states: list[list[Array]] = [[] for _ in states]
    for position, (param, grad) in enumerate(zip(params, given_grads, strict=True)):
        shape: Shape = getattr(param, "shape", ())
        ready_params.append(_target(op, "params", position, param, shape, dtype))
        ready_grads.append(_gradient(op, position, grad, shape, dtype))
        for (name, arrays), ready in zip(others[1:], ready_states, strict=True):
            ready.append(_target(op, name, position, arrays[position], shape, dtype))
    outputs = ready_params + [array for arrays in ready_states for array in arrays]
    _disjoint(op, outputs, ready_grads)
    return InPlace(ready_params, ready_grads, ready_states, dtype)


def writeable(op: str, name: str, arrays: Any) -> list[Array]:
    """Check that all arrays of a list may be overwritten, by themselves.

    Parameters
    ----------
    op
        The function's name, for messages.
    name
        The list's, for messages.
    arrays
        List of arrays.

    Raises
    ------
    ValueError
        If an array cannot be written or overlaps another.
    TypeError
        If something is no list, no array, or of another dtype than the first.
    """
    given = _list(op, name, arrays)
    if not given:
        return []
    first = checks.floating(op, f"{name}[0]", given[0], None)
    for position, value in enumerate(given):
        if on_device(first) or on_device(value):
            where = f"{name}[{position}]"
            checks.same_memory(op, where, value, f"{name}[0]", first)
    ready = [
        _target(op, name, position, value, getattr(value, "shape", ()), first.dtype)
        for position, value in enumerate(given)
    ]
    _disjoint(op, ready, [])
    return ready


def _list(op: str, name: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(
            f"{op}: {name} must be a list of arrays, got {type(value).__name__}"
        )
    return list(value)


def _expect_one_memory(
    op: str, first: Array, lists: Sequence[tuple[str, list[Any]]]
) -> None:
    for name, arrays in lists:
        for position, array in enumerate(arrays):
            checks.same_memory(op, f"{name}[{position}]", array, "params[0]", first)


def _target(
    op: str,
    name: str,
    position: int,
    value: Any,
    shape: Shape,
    dtype: np.dtype[Any],
) -> Array:
    if (
        type(value) is np.ndarray
        and value.dtype is dtype
        and value.shape == shape
        and value.flags.carray
    ):
        return value
    return checks.writeable(op, f"{name}[{position}]", value, shape, dtype)


def _gradient(
    op: str, position: int, value: Any, shape: Shape, dtype: np.dtype[Any]
) -> Array:
    if type(value) is np.ndarray and value.dtype is dtype and value.shape == shape:
        return checks.c_order(value)
    name = f"grads[{position}]"
    array = checks.floating(op, name, value, None)
    if array.dtype != dtype:
        raise TypeError(
            f"{op}: {name} must be {dtype.name} like params[0], got {array.dtype.name}"
        )
    if array.shape != shape:
        raise ValueError(f"{op}: {name} must have shape {shape}, got {array.shape}")
    return array


def _disjoint(op: str, outputs: list[Array], grads: list[Array]) -> None:
    """Raise ValueError if an output overlaps another output or a gradient.

    All arrays are C-contiguous.
    """
    spans = sorted(_span(array) for array in outputs if array.size)
    for (_, end), (start, _) in zip(spans, spans[1:], strict=False):
        if start < end:
            raise ValueError(f"{op}: the arrays written to must not overlap each other")
    starts = [start for start, _ in spans]
    for position, grad in enumerate(grads):
        if not grad.size:
            continue
        start, end = _span(grad)
        # The last output that begins before the gradient ends.
        before = bisect.bisect_left(starts, end) - 1
        if before >= 0 and spans[before][1] > start:
            raise ValueError(
                f"{op}: grads[{position}] must not overlap an array written to"
            )


@functools.cache
def _ready() -> Callable[[list[Any], list[Any], list[list[Any]]], bool] | None:
    """The check of the common case in C++, where that is here."""
    if dispatch.unavailable_reason("cpu") is not None:
        return None
    from tilewright import _cpu

    return _cpu.ready_in_place


def _span(array: Array) -> tuple[int, int]:
    start = address(array)
    return start, start + array.nbytes
