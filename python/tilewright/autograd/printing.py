"""How a tensor is written: as PyTorch does."""

from __future__ import annotations

import numpy as np

from tilewright.autograd.tensor import Tensor
from tilewright.kernels.devices import to_host

_DIGITS = 4
# Their names need not be written: they are what one gets unasked.
_USUAL = (np.dtype(np.float32), np.dtype(np.int64), np.dtype(np.bool_))


def text_of(tensor: Tensor) -> str:
    """Return ``tensor([1., 2.], requires_grad=True)`` and the like."""
    array = to_host(tensor._data)
    finite = array[np.isfinite(array)]
    whole = array.dtype.kind != "f" or bool((finite == np.rint(finite)).all())
    text = np.array2string(
        array,
        separator=", ",
        prefix="tensor(",
        precision=_DIGITS,
        floatmode="maxprec" if whole else "fixed",
    )
    notes = [text]
    if not array.size and array.ndim != 1:
        notes.append(f"size={array.shape}")
    if array.dtype not in _USUAL:
        notes.append(f"dtype={array.dtype.name}")
    if array is not tensor._data:
        notes.append(f"device={tensor.device!r}")
    if tensor._node is not None:
        notes.append(f"grad_fn=<{tensor._node.function.__name__}>")
    elif tensor._requires_grad:
        notes.append("requires_grad=True")
    return f"tensor({', '.join(notes)})"
