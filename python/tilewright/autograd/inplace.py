"""Changes in place, and what they do to the tape.

Each counts up the version of the array, so that a backward pass that needs the old
elements stops with an error. A recorded change gives the tensor a new history. Other
tensors over the same memory keep an old one that is no longer true; theirs is
replaced by one that says so when a backward pass comes to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import kernels
from tilewright.autograd import arithmetic, watch
from tilewright.autograd.broadcasting import FLOAT32, copied, operands
from tilewright.autograd.function import Context, Function, Gradients, next_order
from tilewright.autograd.grad_mode import is_grad_enabled
from tilewright.autograd.indexing import SetItem, plain_index
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import on_device

Array = NDArray[Any]

_UFUNCS: dict[type[Function], np.ufunc] = {
    arithmetic.Add: np.add,
    arithmetic.Subtract: np.subtract,
    arithmetic.Multiply: np.multiply,
    arithmetic.Divide: np.true_divide,
}
# Their gradients need none of the elements that are overwritten.
_LINEAR = (arithmetic.Add, arithmetic.Subtract)


def update(function: type[Function], target: Tensor, other: Any) -> Tensor:
    """Replace the elements of `target` by a Function of them and `other`.

    Returns
    -------
    Tensor
        `target`; or NotImplemented where `other` is not numeric.
    """
    name = _UFUNCS[function].__name__
    pair = operands(target, other)
    if pair is None:
        return NotImplemented  # type: ignore[no-any-return]
    value = _storable(name, target, *pair)
    if function is arithmetic.Divide and target._data.dtype.kind != "f":
        raise TypeError(
            f"{name}: {target._data.dtype.name} tensors cannot hold a quotient; use "
            "x = x / y"
        )
    devices.expect_same(name, (target._data, _array(value)))
    _check_fits(name, target, _array(value))
    if not _to_record(name, target, value):
        watch.report(f"{name} in place")
        with np.errstate(all="ignore"):
            _UFUNCS[function](target._data, _array(value), out=target._data)
        target._version.number += 1
        return target
    if target._node is None:
        # Of an input, which a replay may not change twice.
        watch.report(f"{name} in place")
    before = _before_change(target, copy=function not in _LINEAR)
    result = function.apply(before, before if value is target else value)
    if target._data.dtype == FLOAT32 and getattr(target._data.flags, "aligned", True):
        kernels.copy(result._data, out=target._data)
    else:
        np.copyto(target._data, result._data)
    _adopt(target, result)
    return target


def set_item(target: Tensor, index: Any, value: Any) -> None:
    """Do ``target[index] = value``.

    Raises
    ------
    RuntimeError
        If gradients are recorded and the target is, or shares memory with, a leaf
        that requires one.
    TypeError
        If target and value are on different devices.
    ValueError
        If the value does not fit the part, or the memory is read-only.
    IndexError
        If the index does not fit the shape.
    """
    known = (Tensor, np.ndarray, np.generic, bool, int, float)
    if not isinstance(value, known) and not on_device(value):
        value = Tensor(value)
    devices.expect_same("setitem", (target._data, _array(value)))
    watch.report("setitem")
    recording = _to_record("setitem", target, value)
    index = plain_index(index)
    if isinstance(value, Tensor):
        value = _apart(target, value)
    if not recording:
        SetItem.forward(Context(), target._data, _array(value), index=index)
        target._version.number += 1
        return
    if isinstance(value, Tensor):
        value = value.astype(target._data.dtype)
    result = SetItem.apply(_before_change(target, copy=False), value, index=index)
    _adopt(target, result)


def overwrite(target: Tensor, value: Any) -> Tensor:
    """Replace all elements, and return the tensor."""
    set_item(target, ..., value)
    return target


def _array(value: Any) -> Any:
    return value._data if isinstance(value, Tensor) else value


def _apart(target: Tensor, value: Tensor) -> Tensor:
    """Return the value, copied where it shares memory with the target."""
    shared = value._version is target._version
    return value.clone() if shared else value


def _storable(name: str, target: Tensor, promoted: Tensor, value: Any) -> Any:
    """Return the value in the target's dtype, if that is of its kind."""
    dtype = target._data.dtype
    if promoted._data.dtype == dtype:
        return value
    if dtype.kind != "f":
        raise TypeError(
            f"{name}: a {promoted._data.dtype.name} result cannot be stored in a "
            f"{dtype.name} tensor in place"
        )
    return value.astype(dtype)


def _check_fits(name: str, target: Tensor, array: Any) -> None:
    shape = target._data.shape
    given = getattr(array, "shape", ())
    if given in (shape, ()):
        return
    try:
        fits = np.broadcast_shapes(shape, given) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name}: shape {given} does not broadcast to the shape {shape} of the "
            "tensor changed in place"
        )


def _to_record(name: str, target: Tensor, value: Any) -> bool:
    """Whether the change must be recorded; raises where there must be none."""
    if not getattr(target._data.flags, "writeable", True):
        raise ValueError(
            f"{name}: the tensor's memory is read-only (a broadcast view, or a "
            "read-only array); use .clone()"
        )
    wanted = target._requires_grad or (
        isinstance(value, Tensor) and value._requires_grad
    )
    if not wanted or not is_grad_enabled():
        return False
    if target._data.dtype.kind != "f":
        raise TypeError(
            f"{name}: a {target._data.dtype.name} tensor cannot take a value that "
            "requires a gradient"
        )
    for tensor in (target, *target._version.living()):
        if tensor._requires_grad and tensor._node is None:
            what = "is" if tensor is target else "is a view of"
            raise RuntimeError(
                f"{name}: the tensor {what} a leaf that requires a gradient, and "
                "cannot be changed in place while gradients are recorded; do it "
                "under tw.no_grad(), or write x = x + y instead of x += y"
            )
    return True


def _before_change(target: Tensor, *, copy: bool) -> Tensor:
    """Return a Tensor with the target's elements and history of this moment."""
    before = Tensor(copied(target._data) if copy else target._data)
    before._requires_grad = target._requires_grad
    before._node = target._node
    return before


def _adopt(target: Tensor, result: Tensor) -> None:
    """Give the target the history of what it now holds."""
    version = target._version
    version.number += 1
    for alias in version.living():
        if alias is not target:
            alias._node = _lost_history(alias)
            alias._requires_grad = True
    target._node = result._node
    target._requires_grad = True


class Overwritten(Function):
    """Stands for the history of a tensor whose memory another one changed."""

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        """Say what happened."""
        raise RuntimeError(
            "backward: a tensor was used whose memory had been changed in place "
            "through another one (one of them is a view of the other); take the view "
            "after the change, or use .clone()"
        )


def _lost_history(alias: Tensor) -> Context:
    context = Context()
    context.function = Overwritten
    context.edges = ()
    context.needs_input_grad = ()
    context.order = next_order()
    context.released = False
    context.saved = ()
    context.shape = alias._data.shape
    context.versions = []
    return context
