"""The base of optimizers: groups of parameters, their options and their state.

A subclass says which arrays it keeps for a parameter and calls its kernel. Everything
else is here: which parameters take part in a step, that it is all or nothing, and the
state dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import Tensor
from tilewright.kernels import capturing, checks, devices, inplace
from tilewright.optim import recorded, saved

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture
    from tilewright.kernels.recording import Replay

Array = NDArray[Any]
Group = dict[str, Any]
Parameters = Iterable[Tensor] | Iterable[Group]


class Slot:
    """One parameter and what is kept for it.

    Attributes
    ----------
    tensor : Tensor
    step : int
        How often it was moved.
    arrays : list of ndarray
        Of its shape, one for each of the optimizer's `state_names`; none before the
        first step.
    """

    __slots__ = ("arrays", "step", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.step = 0
        self.arrays: list[Array] = []

    def kept(self, names: tuple[str, ...], initial: float = 0.0) -> list[Array]:
        """The arrays of these names, `initial` where they are wanted first."""
        data = self.tensor._data
        if len(self.arrays) != len(names):
            self.arrays = [np.full_like(data, initial, order="C") for _ in names]
        elif names and type(self.arrays[0]) is not type(data):
            device = self.tensor.device  # to which the model has been moved
            self.arrays = [devices.moved(array, device) for array in self.arrays]
        return self.arrays


class Update(NamedTuple):
    """The parameters that one call of the kernel moves."""

    group: Group
    step: int
    slots: list[Slot]
    params: list[Array]
    grads: list[Array]
    states: list[list[Array]]


class Optimizer:
    """Base of optimizers.

    Parameters
    ----------
    params : iterable of Parameter, or of dict
        What to move; or groups, each a dict of ``params`` and of options that differ
        from the defaults.
    defaults : dict
        The options of groups that do not have their own.

    Attributes
    ----------
    param_groups : list of dict
        Parameters and options, which may be changed between steps:
        ``opt.param_groups[0]["lr"] = 1e-4``.
    lr : float
        Of all groups.

    Raises
    ------
    ValueError
        If there are no parameters, one is there twice or is no leaf, or an option is
        unknown or out of range.
    TypeError
        If something is no Tensor of floats.
    """

    # Of the kernel that a subclass runs, for errors.
    kernel: ClassVar[str] = ""
    # Options that `set_recorded` can change in a recorded call of the kernel.
    recorded_options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Parameters, defaults: Mapping[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[Group] = []
        self._slots: list[list[Slot]] = []
        groups = self._listed(params)
        if not groups:
            raise ValueError(f"{self._name}: params is empty")
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def add_param_group(self, group: Group) -> None:
        """Move further parameters too.

        Parameters
        ----------
        group : dict
            ``params``, and options that differ from the defaults.

        Raises
        ------
        ValueError
            If it has no parameters, one is known already or is no leaf, or an option
            is unknown or out of range.
        TypeError
            If something is no Tensor of floats.
        """
        unknown = [key for key in group if key not in ("params", *self.defaults)]
        if unknown or "params" not in group:
            raise ValueError(
                f"{self._name}: a group must have 'params' and may have "
                f"{', '.join(self.defaults)}, got {', '.join(map(repr, group))}"
            )
        tensors = self._tensors(group["params"])
        complete = {**self.defaults, **group, "params": tensors}
        self.check_options(complete)
        self.param_groups.append(complete)
        self._slots.append([Slot(tensor) for tensor in tensors])

    def _listed(self, params: Any) -> list[Group]:
        if isinstance(params, (Tensor, np.ndarray, str, Mapping)) or not isinstance(
            params, Iterable
        ):
            raise TypeError(
                f"{self._name}: params must be an iterable of Parameters, such as "
                f"model.parameters(), got {type(params).__name__}"
            )
        given = list(params)
        if any(isinstance(item, dict) for item in given):
            for position, item in enumerate(given):
                if not isinstance(item, dict):
                    raise TypeError(
                        f"{self._name}: params must be all groups or all Parameters, "
                        f"got {type(item).__name__} at position {position}"
                    )
            return given
        return [{"params": given}] if given else []

    def _tensors(self, params: Any) -> list[Tensor]:
        tensors = [params] if isinstance(params, Tensor) else list(params)
        known = {id(t) for group in self.param_groups for t in group["params"]}
        if not tensors:
            raise ValueError(f"{self._name}: params is empty")
        for position, tensor in enumerate(tensors):
            where = f"{self._name}: params[{position}]"
            if not isinstance(tensor, Tensor):
                hint = ""
                if isinstance(tensor, tuple):
                    hint = "; use parameters(), not named_parameters()"
                raise TypeError(
                    f"{where} must be a Parameter or a Tensor, got "
                    f"{type(tensor).__name__}{hint}"
                )
            if tensor.dtype.name not in ("float32", "float64"):
                raise TypeError(
                    f"{where} must be float32 or float64, got {tensor.dtype.name}"
                )
            if not tensor.is_leaf:
                raise ValueError(
                    f"{where} is the result of an operation; only leaves are moved"
                )
            if id(tensor) in known:
                raise ValueError(f"{where} is there twice")
            known.add(id(tensor))
        return tensors

    @property
    def lr(self) -> float:
        """Learning rate: of all groups when set, of the first when read."""
        rate: float = self.param_groups[0]["lr"]
        return rate

    @lr.setter
    def lr(self, value: float) -> None:
        checks.number(self._name, "lr", value)
        for group in self.param_groups:
            group["lr"] = value

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for slots in self._slots:
            for slot in slots:
                slot.tensor._grad = None

    def step(self) -> None:
        """Move the parameters that have a gradient, all of them or, on error, none.

        Raises
        ------
        ValueError
            If an option is out of range, or an array cannot be written.
        TypeError
            If a gradient or what is kept is of another dtype than its parameter.
        """
        self.apply_updates(self.planned_updates())

    def planned_updates(self) -> list[Update]:
        """What a step would do now: a kernel call each."""
        updates: list[Update] = []
        for group, slots in zip(self.param_groups, self._slots, strict=True):
            updates += self._updates(group, slots)
        return updates

    def apply_updates(self, updates: list[Update]) -> None:
        """Do what `planned_updates` said; see `step` for errors."""
        if len(updates) > 1:
            # Each call is all or nothing by itself: nothing is left to refuse.
            for update in updates:
                self.check_options(update.group)
                names = self.state_names(update.group)
                states = list(zip(names, update.states, strict=True))
                inplace.checked(self.kernel, update.params, update.grads, states)
        for update in updates:
            self.run_kernel(update)
            for slot in update.slots:
                slot.step = update.step
                # A graph that has saved the old values must not be used any more.
                slot.tensor._version.number += 1
        if capturing.current is not None:
            recorded.note(capturing.current, self, updates)

    def _updates(self, group: Group, slots: list[Slot]) -> list[Update]:
        """Parameters with a gradient, apart by how often they were moved before."""
        found: dict[int, Update] = {}
        names, initial = self.state_names(group), self.initial_state(group)
        for slot in slots:
            tensor = slot.tensor
            grad = tensor._grad
            if grad is None:
                continue
            step = slot.step + 1
            update = found.get(step)
            if update is None:
                update = Update(group, step, [], [], [], [[] for _ in names])
                found[step] = update
            update.slots.append(slot)
            update.params.append(tensor._data)
            update.grads.append(grad._data)
            kept = slot.kept(names, initial)
            for arrays, array in zip(update.states, kept, strict=True):
                arrays.append(array)
        return list(found.values())

    def state_names(self, group: Group) -> tuple[str, ...]:
        """Names of the arrays that are kept for each parameter of a group."""
        raise NotImplementedError

    def initial_state(self, group: Group) -> float:
        """What those arrays are filled with before the first step."""
        return 0.0

    def check_options(self, group: Group) -> None:
        """Raise ValueError or TypeError where an option of a group is wrong."""
        raise NotImplementedError

    def run_kernel(self, update: Update) -> None:
        """Move the parameters of an update."""
        raise NotImplementedError

    def set_recorded(
        self, replay: Replay | Capture, index: int, group: Group, step: int
    ) -> None:
        """Put a group's options and the step's number into a recorded kernel call.

        Parameters
        ----------
        replay : Replay or Capture
            Of :mod:`tilewright.kernels.recording` or `.capture`.
        index : int
            Of the call among those of this kernel.
        group : dict
        step : int
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """All there is to go on from here, as PyTorch has it.

        Returns
        -------
        dict
            ``state``: by the parameter's number, its ``step`` and copies of what is
            kept for it. ``param_groups``: the options, with numbers as ``params``.

        Examples
        --------
        >>> import numpy as np
        >>> from tilewright import nn, optim
        >>> opt = optim.SGD([nn.Parameter(np.ones(2, np.float32))], lr=0.1)
        >>> opt.state_dict()["param_groups"][0]["lr"]
        0.1
        """
        names = [self.state_names(group) for group in self.param_groups]
        return saved.state_dict(self.param_groups, self._slots, names)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; if it does not fit, nothing changes.

        Parameters
        ----------
        state_dict : dict
            From an optimizer of the same kind, over parameters of the same shapes.

        Raises
        ------
        ValueError
            If it is of another optimizer or of other parameters.
        TypeError
            If it is no state dict.
        """
        options = saved.options(self._name, state_dict, self.param_groups)
        for each in options:
            self.check_options(each)
        names = [self.state_names(each) for each in options]
        states = saved.states(self._name, state_dict, self._slots, names)
        for group, each in zip(self.param_groups, options, strict=True):
            group.update(each)
        for slot, (step, arrays) in states:
            slot.step, slot.arrays = step, arrays

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])
