"""The backward pass: from the last operation recorded to the first.

A context is numbered after those that made its arguments. Visiting them by falling
number therefore meets each one when all that used its result are done, without
counting users beforehand, in an order that does not depend on anything but the
program: gradients are added up in the same order, and to the same bits, every time.
A heap holds the contexts in sight, so a chain of any length needs no recursion.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import watch
from tilewright.autograd.arrays import boxed, overwritable
from tilewright.autograd.broadcasting import combine, copied
from tilewright.autograd.function import Context
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import on_device

Array = NDArray[Any]

# The ones that the latest backward pass without a gradient began with.
_ones: Array | None = None


def start_backward(result: Tensor, gradient: Any, retain_graph: bool) -> None:
    """Check the gradient of a result, 1 where none is given, and go back from it.

    Raises
    ------
    ValueError
        If there is no gradient and the result has not one element, or the gradient
        has another shape.
    TypeError
        If the gradient is on another device.
    RuntimeError
        As `run_backward`.
    """
    data = result._data
    if gradient is None:
        if data.size != 1:
            raise ValueError(
                "backward: gradient must be given for a tensor of other than one "
                f"element, got a tensor of shape {data.shape}; reduce it to a loss, "
                "as by .sum() or .mean()"
            )
        global _ones
        _ones = array = np.ones_like(data)
        watch.keep(array)
    else:
        if isinstance(gradient, Tensor):
            gradient = gradient._data
        if on_device(gradient):
            array = gradient.astype(data.dtype, copy=False)
        else:
            array = np.asarray(gradient, dtype=data.dtype)
        devices.expect_same("backward", (data, array))
        if array.shape != data.shape:
            raise ValueError(
                f"backward: gradient must have the tensor's shape {data.shape}, "
                f"got {array.shape}"
            )
    if result._node is None:
        _accumulate(result, array, False)
    else:
        run_backward(result._node, array, retain_graph)


def is_one(gradient: Array) -> bool:
    """Whether a gradient is known to be 1 without a look at it.

    It is that of a loss that backward was called of; to look would wait for a GPU.
    """
    return gradient is _ones


def run_backward(root: Context, gradient: Array, retain_graph: bool) -> None:
    """Add the gradients of a result to the ``grad`` of the leaves below it.

    The leaves get their gradients at the very end: none has changed if an error
    stops the pass.

    Parameters
    ----------
    root : Context
        What made the result.
    gradient : ndarray
        Of the result; it is not written to.
    retain_graph : bool
        Whether to keep what was saved, for another pass.

    Raises
    ------
    RuntimeError
        If the graph was released by an earlier pass, a saved array has changed
        since, or a Function returned gradients that do not fit its arguments.
    """
    # Gradient so far, and whether nothing else refers to it.
    pending: dict[Context, tuple[Array, bool]] = {root: (gradient, False)}
    leaves: dict[int, tuple[Tensor, Array, bool]] = {}
    heap: list[tuple[int, Context]] = [(-root.order, root)]
    # Infinities and NaNs are values here, as everywhere in training.
    with np.errstate(all="ignore"):
        while heap:
            node = heappop(heap)[1]
            dy, owned = pending.pop(node)
            _check_usable(node)
            node.owns_dy = owned
            function = node.function
            result = function.backward(node, dy)
            gradients = result if isinstance(result, tuple) else (result,)
            if len(gradients) != len(node.edges):
                raise RuntimeError(
                    f"{function.__name__}.backward: expected {len(node.edges)} "
                    f"gradients, one per argument of forward, got {len(gradients)}"
                )
            memory = function.gradient_memory
            fresh = memory == "new" or (memory == "moved" and owned)
            for position, edge in enumerate(node.edges):
                if edge is None:
                    continue
                addend = gradients[position]
                if addend is None:
                    continue
                if isinstance(addend, np.generic):
                    addend = np.asarray(addend)
                if isinstance(edge, Tensor):
                    _check_fits(node, position, addend, edge._data.shape)
                    key = id(edge)
                    known = leaves.get(key)
                    leaves[key] = (
                        (edge, addend, fresh)
                        if known is None
                        else (edge, *_sum(known[1], known[2], addend))
                    )
                    continue
                _check_fits(node, position, addend, edge.shape)
                before = pending.get(edge)
                if before is None:
                    pending[edge] = (addend, fresh)
                    heappush(heap, (-edge.order, edge))
                else:
                    pending[edge] = _sum(before[0], before[1], addend)
            if not retain_graph:
                node.release()
        for leaf, array, fresh in leaves.values():
            _accumulate(leaf, array, fresh)


def _sum(total: Array, owned: bool, addend: Array) -> tuple[Array, bool]:
    in_place = owned and overwritable(total)
    return combine("add", total, addend, total if in_place else None), True


def _accumulate(leaf: Tensor, array: Array, fresh: bool) -> None:
    """Store a leaf's first gradient as it is, add a later one in place."""
    grad = leaf._grad
    if grad is not None:
        watch.report("a sum of gradients")
        data = grad._data
        if getattr(data.flags, "writeable", True) and data.dtype == array.dtype:
            np.add(data, array, out=data)
            grad._version.number += 1
            return
        array, fresh = boxed(data + array), True
    if not (fresh and overwritable(array)):
        array = copied(array)
    leaf._grad = Tensor(array)


def _check_usable(node: Context) -> None:
    if node.released:
        raise RuntimeError(
            "backward: this graph was already used and released (by an earlier "
            "backward through the same results); pass retain_graph=True to the "
            "earlier call to keep it"
        )
    for version, number in node.versions:
        if version.number != number:
            raise RuntimeError(
                f"backward: a tensor that {_name(node)} needs for its gradient was "
                f"modified in place after it was used (it is at version "
                f"{version.number}, expected {number}); write x = x + y instead of "
                "x += y, or call backward before the change"
            )


def _check_fits(
    node: Context, position: int, gradient: Array, shape: tuple[int, ...]
) -> None:
    if gradient.shape != shape:
        raise RuntimeError(
            f"{_name(node)}.backward: gradient {position} has shape "
            f"{gradient.shape}, but its argument has shape {shape}"
        )


def _name(node: Context) -> str:
    return node.function.__name__.lstrip("_")
