"""Taking over a state dict: every array is checked before one is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tilewright.autograd import Tensor
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import is_array
from tilewright.nn.types import Array


class LoadResult(NamedTuple):
    """Names that a module and a state dict did not have in common."""

    missing: list[str]
    unexpected: list[str]


def load(
    owner: str,
    targets: Mapping[str, Tensor | Array],
    state_dict: Mapping[str, Any],
    strict: bool,
) -> LoadResult:
    """Write the arrays of a state dict over those of a module.

    Parameters
    ----------
    owner : str
        Name of the module's class, for errors.
    targets : dict of str to Tensor or ndarray
        Its parameters and buffers.
    state_dict : dict of str to ndarray
    strict : bool
        Whether names that are missing or not expected are errors.

    Returns
    -------
    LoadResult

    Raises
    ------
    ValueError
        If names or shapes do not match, or an array cannot be written.
    TypeError
        If it is no dict of arrays, or a dtype cannot be converted.
    """
    op = f"load_state_dict of {owner}"
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"{op}: state_dict must be a dict of arrays, got "
            f"{type(state_dict).__name__}"
        )
    missing = [name for name in targets if name not in state_dict]
    unexpected = [name for name in state_dict if name not in targets]
    problems = []
    if strict and missing:
        problems.append(f"missing: {', '.join(missing)}")
    if strict and unexpected:
        problems.append(f"unexpected: {', '.join(map(str, unexpected))}")
    pairs: list[tuple[Tensor | Array, Array, Array]] = []
    for name, target in targets.items():
        if name in state_dict:
            new = _array(op, name, state_dict[name])
            old = target.data if isinstance(target, Tensor) else target
            problem = _problem(name, new, old)
            if problem:
                problems.append(problem)
            else:
                _check_dtype(op, name, new, old)
                pairs.append((target, old, new))
    if problems:
        raise ValueError(f"{op}: nothing was loaded; " + "; ".join(problems))
    for target, old, new in pairs:
        devices.assign(old, new)
        if isinstance(target, Tensor):
            target._version.number += 1
    return LoadResult(missing, unexpected)


def _array(op: str, name: str, value: Any) -> Array:
    array = value.data if isinstance(value, Tensor) else value
    if not is_array(array):
        raise TypeError(
            f"{op}: {name} must be a NumPy array, got {type(value).__name__}"
        )
    return array


def _problem(name: str, new: Array, old: Array) -> str:
    if new.shape != old.shape:
        return f"{name} must have shape {old.shape}, got {new.shape}"
    if not getattr(old.flags, "writeable", True):
        return f"{name} of the module is a read-only array"
    return ""


def _check_dtype(op: str, name: str, new: Array, old: Array) -> None:
    if not np.can_cast(new.dtype, old.dtype, "same_kind"):
        raise TypeError(
            f"{op}: {name} must be {old.dtype.name} or convert to it, "
            f"got {new.dtype.name}"
        )
