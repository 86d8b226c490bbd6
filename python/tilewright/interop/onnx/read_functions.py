"""Each operator of ONNX that is no layer as a function of tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.interop.onnx.graph import TO_LAST
from tilewright.interop.onnx.nodes import Node, UnsupportedError
from tilewright.interop.onnx.state import Read, State

Array = NDArray[Any]
Reader = Callable[[State, Node], None]


def _alike(state: State, values: list[Read]) -> list[Read]:
    """Values that lie in the same way: as they do, or as in the file."""
    for known in (values, [state.spread(each) for each in values]):
        turned = known[0].first or known[0].pooled
        if all(each.lies_like(known[0]) for each in known) and not (
            turned and any(each.rank != known[0].rank for each in known)
        ):
            return known
    return [state.plain(each) for each in values]


def _turned(array: Array, x: Read) -> Array:
    """A constant of the file that broadcasts with a value, as that value lies here."""
    if not array.ndim:
        return array
    if x.order is not None:
        if array.shape[-1] == 1:
            return array
        ours = np.empty_like(array)
        ours[..., x.order] = array
        return ours
    if x.pooled or x.first:
        rank = max(x.rank or 0, array.ndim)
        if rank not in TO_LAST:
            raise UnsupportedError("the rank of a value is unknown")
        array = array.reshape((1,) * (rank - array.ndim) + array.shape)
        array = array.transpose(TO_LAST[rank])
        if x.pooled:
            if array.shape[1:3] != (1, 1):
                raise UnsupportedError("pooled values meet a constant with pixels")
            array = array[:, 0, 0]
    return array


def _broadcasting(function: str) -> Reader:
    def read(state: State, node: Node) -> None:
        values = [state.values.get(name) for name in node.inputs]
        known = [each for each in values if each is not None]
        if not known:
            raise UnsupportedError(f"{node}: takes constants alone")
        before, known = known, _alike(state, known)
        x, rest = known[0], iter(known)
        operands: list[Any] = []
        for value, array in zip(values, node.constants, strict=True):
            if value is not None:
                operands.append(next(rest))
            elif array is not None:
                operands.append(state.constant(_turned(array, x)))
            else:
                raise UnsupportedError(f"{node}: takes a value that is not known here")
        y = state.apply(function, operands[:2], node.shape)
        for more in operands[2:]:  # Sum, Max and Min take any number
            y = state.apply(function, [y, more], node.shape)
        y = replace(x, place=y.place, shape=node.shape)
        state.name(node, state.turned_back(y, *before))

    return read


def _unary(function: str) -> Reader:
    def read(state: State, node: Node) -> None:
        x = state.value(node)
        y = state.apply(function, [x], node.shape)
        state.name(node, replace(x, place=y.place, shape=node.shape))

    return read


def matmul(state: State, node: Node) -> None:
    """The product of two values, or with a constant that is no matrix."""
    operands = [
        state.constant(array)
        if array is not None
        else state.plain(state.value(node, p))
        for p, array in enumerate(node.constants)
    ]
    state.name(node, state.apply("matmul", operands, node.shape))


def _concat(state: State, node: Node) -> None:
    before = [state.value(node, p) for p in range(len(node.inputs))]
    values = _alike(state, before)
    if values[0].order is not None or values[0].pooled:
        values = [state.plain(each) for each in values]
    x, axis = values[0], int(node.options["axis"])
    if x.rank is None:
        raise UnsupportedError(f"{node}: the rank of its inputs is unknown")
    axis %= x.rank
    if x.first:
        axis = TO_LAST[x.rank].index(axis)
    y = state.apply("concatenate", list(values), node.shape, axis=axis)
    state.name(node, state.turned_back(replace(y, first=x.first), *before))


def _reduce(function: str) -> Reader:
    def read(state: State, node: Node) -> None:
        x, axes = state.value(node), node.numbers(1, "axes")
        keep = bool(node.options.get("keepdims", 1))
        if x.rank is None:
            raise UnsupportedError(f"{node}: the rank of its input is unknown")
        if axes is None:
            axes = [] if node.options.get("noop_with_empty_axes") else [*range(x.rank)]
        places = sorted(axis % x.rank for axis in axes)
        pixels = places == [*range(2, x.rank)]
        first = x.first and (keep or pixels)
        if first:
            places = sorted(TO_LAST[x.rank].index(axis) for axis in places)
        else:
            x = state.plain(x)
        y = state.apply(function, [x], node.shape, axis=tuple(places), keepdims=keep)
        state.name(node, replace(y, first=first and keep))

    return read


def reshape(state: State, node: Node, shape: list[int]) -> None:
    """Another shape; 0 keeps an extent."""
    node.only(allowzero=0)
    before = state.value(node)
    x = state.plain(before)
    if -1 not in shape and shape and shape[0] in (0, 1):
        # One sample when the file was written: any number of them here.
        known = x.shape is not None and x.shape[0] in (None, 1)
        shape = [-1, *shape[1:]] if known else shape
    y = state.apply("reshape", [x], node.shape, shape=shape)
    state.name(node, state.turned_back(y, before))


def squeeze(state: State, node: Node, axes: list[int] | None) -> None:
    """Without axes of extent 1."""
    x = state.plain(state.value(node))
    if axes is None or x.rank is None:
        raise UnsupportedError(f"{node}: which axes it leaves out is unknown")
    dropped = {axis % x.rank for axis in axes}
    index = tuple(0 if axis in dropped else slice(None) for axis in range(x.rank))
    state.name(node, state.apply("item", [x], node.shape, index=index))


def _unsqueeze(state: State, node: Node) -> None:
    x, axes = state.plain(state.value(node)), node.numbers(1, "axes") or []
    if x.rank is None:
        raise UnsupportedError(f"{node}: the rank of its input is unknown")
    rank = x.rank + len(axes)
    new = {axis % rank for axis in axes}
    index = tuple(None if axis in new else slice(None) for axis in range(rank))
    state.name(node, state.apply("item", [x], node.shape, index=index))


def _expand(state: State, node: Node) -> None:
    shape = node.need(1).tolist()
    x = state.value(node)
    y = state.apply("expand", [state.plain(x)], node.shape, shape=shape)
    state.name(node, state.turned_back(y, x))


def _pad(state: State, node: Node) -> None:
    node.only(mode=b"constant")
    x, pads = state.value(node), node.numbers(1, "pads") or []
    if x.pooled or x.order is not None:
        x = state.plain(x)
    if node.constant(3) is not None or x.rank is None or len(pads) != 2 * x.rank:
        raise UnsupportedError(f"{node}: pads must be given for each axis")
    if min(pads) < 0:
        raise UnsupportedError(f"{node}: negative pads have no counterpart here")
    pairs = list(zip(pads[: x.rank], pads[x.rank :], strict=True))
    if x.first:
        pairs = [pairs[axis] for axis in TO_LAST[x.rank]]
    value = node.constant(2)
    number = 0.0 if value is None else float(value)
    y = state.apply("pad", [x], node.shape, pads=pairs, value=number)
    state.name(node, replace(y, first=x.first))


def _slice(state: State, node: Node) -> None:
    x = state.value(node)
    if x.pooled or x.order is not None:
        x = state.plain(x)
    starts, ends = node.numbers(1, "starts") or [], node.numbers(2, "ends") or []
    axes, steps = node.numbers(3, "axes"), node.numbers(4, "steps")
    if x.rank is None:
        raise UnsupportedError(f"{node}: the rank of its input is unknown")
    index = [slice(None)] * x.rank
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = (number if axes is None else axes[number]) % x.rank
        step = 1 if steps is None else steps[number]
        if step < 0 and end < -(2**31):
            index[axis] = slice(start, None, step)
        else:
            index[axis] = slice(start, end, step)
    if x.first:
        index = [index[axis] for axis in TO_LAST[x.rank]]
    y = state.apply("item", [x], node.shape, index=tuple(index))
    state.name(node, replace(y, first=x.first))


def _gather(state: State, node: Node) -> None:
    x, where = state.value(node), node.need(1)
    if x.rank is None:
        raise UnsupportedError(f"{node}: the rank of its input is unknown")
    axis = int(node.options.get("axis", 0)) % x.rank
    part: Any = where.copy() if where.ndim else int(where)
    index = (*[slice(None)] * axis, part)
    y = state.apply("item", [state.plain(x)], node.shape, index=index)
    state.name(node, state.turned_back(y, x))


READERS: dict[str, Reader] = {
    "Abs": _unary("abs"),
    "Add": _broadcasting("add"),
    "Concat": _concat,
    "Div": _broadcasting("divide"),
    "Exp": _unary("exp"),
    "Expand": _expand,
    "Gather": _gather,
    "Log": _unary("log"),
    "Max": _broadcasting("maximum"),
    "Min": _broadcasting("minimum"),
    "Mul": _broadcasting("multiply"),
    "Neg": _unary("negative"),
    "Pad": _pad,
    "Pow": _broadcasting("power"),
    "ReduceMax": _reduce("max"),
    "ReduceMean": _reduce("mean"),
    "ReduceMin": _reduce("min"),
    "ReduceSum": _reduce("sum"),
    "Slice": _slice,
    "Sqrt": _unary("sqrt"),
    "Sub": _broadcasting("subtract"),
    "Sum": _broadcasting("add"),
    "Unsqueeze": _unsqueeze,
}
