"""The state of an optimizer as a dict, in PyTorch's form, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tilewright.kernels import checks, devices
from tilewright.kernels.device_arrays import is_array

if TYPE_CHECKING:
    from tilewright.optim.optimizer import Group, Slot

Array = NDArray[Any]


def state_dict(
    groups: list[Group], slots: list[list[Slot]], names: list[tuple[str, ...]]
) -> dict[str, Any]:
    """Copy the state and the options; parameters are numbers, in order."""
    state = {}
    saved_groups = []
    number = 0
    for group, group_slots, kept in zip(groups, slots, names, strict=True):
        first = number
        for slot in group_slots:
            if slot.step:
                arrays = zip(kept, slot.kept(kept), strict=True)
                state[number] = {
                    "step": slot.step,
                    **{name: devices.host_copy(array) for name, array in arrays},
                }
            number += 1
        saved_groups.append({**group, "params": list(range(first, number))})
    return {"state": state, "param_groups": saved_groups}


def options(op: str, saved: Any, groups: list[Group]) -> list[dict[str, Any]]:
    """Read the options of each group.

    Raises
    ------
    ValueError
        If it is of another optimizer or of other parameters.
    TypeError
        If it is no state dict.
    """
    if not isinstance(saved, Mapping) or not {"state", "param_groups"} <= set(saved):
        got = sorted(saved) if isinstance(saved, Mapping) else type(saved).__name__
        raise TypeError(
            f"{op}: state_dict must have 'state' and 'param_groups', got {got}"
        )
    sizes = [len(group["params"]) for group in saved["param_groups"]]
    expected = [len(group["params"]) for group in groups]
    if sizes != expected:
        raise ValueError(
            f"{op}: state_dict is of groups of {sizes} parameters, this optimizer has "
            f"{expected}"
        )
    found = []
    for theirs, ours in zip(saved["param_groups"], groups, strict=True):
        if set(theirs) != set(ours):
            raise ValueError(
                f"{op}: state_dict has the options {sorted(set(theirs) - {'params'})}, "
                f"expected {sorted(set(ours) - {'params'})}; is it of another kind of "
                "optimizer?"
            )
        found.append({key: v for key, v in theirs.items() if key != "params"})
    return found


def states(
    op: str, saved: Any, slots: list[list[Slot]], names: list[tuple[str, ...]]
) -> list[tuple[Slot, tuple[int, list[Array]]]]:
    """Read step and arrays of each parameter, copying them.

    Raises
    ------
    ValueError
        If a name or a shape is wrong.
    TypeError
        If something is no array, or of another kind of dtype.
    """
    found = []
    rows = zip(saved["param_groups"], slots, names, strict=True)
    for group, group_slots, kept in rows:
        for number, slot in zip(group["params"], group_slots, strict=True):
            entry = saved["state"].get(number)
            found.append((slot, _state(op, number, entry, slot, kept)))
    return found


def _state(
    op: str, number: int, entry: Any, slot: Slot, names: tuple[str, ...]
) -> tuple[int, list[Array]]:
    """Step and arrays of one parameter; none where it was never moved."""
    if not entry:
        return 0, []
    if set(entry) != {"step", *names}:
        raise ValueError(
            f"{op}: state of parameter {number} must have {sorted(['step', *names])}, "
            f"got {sorted(entry)}"
        )
    step = checks.integer(op, f"step of parameter {number}", entry["step"], 1, 2**62)
    arrays = []
    for name in names:
        array = entry[name]
        what = f"{name} of parameter {number}"
        if not is_array(array):
            raise TypeError(
                f"{op}: {what} must be a NumPy array, got {type(array).__name__}"
            )
        if array.shape != slot.tensor.shape:
            raise ValueError(
                f"{op}: {what} must have shape {slot.tensor.shape}, got {array.shape}"
            )
        if not np.can_cast(array.dtype, slot.tensor.dtype, "same_kind"):
            raise TypeError(
                f"{op}: {what} must be {slot.tensor.dtype.name}, got {array.dtype.name}"
            )
        new = np.array(devices.to_host(array), dtype=slot.tensor.dtype, order="C")
        arrays.append(devices.moved(new, slot.tensor.device))
    return step, arrays
