"""A recorded training step: what it consists of, and whether it still holds."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tilewright import random
from tilewright.autograd import Tensor
from tilewright.autograd.grad_mode import is_grad_enabled
from tilewright.kernels import recording
from tilewright.nn import Module
from tilewright.nn.module import Structure
from tilewright.optim import Optimizer
from tilewright.optim.optimizer import Slot, Update

if TYPE_CHECKING:
    from tilewright.kernels.recording import Replay

Array = NDArray[Any]

_data_of = attrgetter("_data")
_requires_grad_of = attrgetter("_requires_grad")
_arrays_of = attrgetter("arrays")
_step_of = attrgetter("step")


class KernelTime(NamedTuple):
    """A kernel of a compiled step, its algorithm, and the seconds that it took."""

    kernel: str
    algorithm: str
    seconds: float


class _Moved:
    """The parameters that one recorded call of the optimizer's kernel moves."""

    def __init__(self, update: Update, grads: list[Array]) -> None:
        self.group = update.group
        self.slots: list[Slot] = update.slots
        self.tensors = [slot.tensor for slot in update.slots]
        self.params = update.params
        self.arrays = list(chain.from_iterable(map(_arrays_of, update.slots)))
        self.grads = [Tensor(array) for array in grads]
        self.note_options()

    def note_options(self) -> None:
        """The options in force from now on."""
        self.options = _options(self.group)
        self.values = list(self.group.values())

    def replaced(self) -> bool:
        """Whether parameters or their state are other arrays than were recorded."""
        # This is done at every step: the loops are those of `map` and `all`.
        arrays = list(chain.from_iterable(map(_arrays_of, self.slots)))
        return not (
            all(map(is_, map(_data_of, self.tensors), self.params))
            and all(map(_requires_grad_of, self.tensors))
            and len(arrays) == len(self.arrays)
            and all(map(is_, arrays, self.arrays))
            and len(set(map(_step_of, self.slots))) == 1
        )

    def options_are_new(self) -> bool:
        """Whether an option may have been set."""
        values = self.group.values()
        return len(values) != len(self.values) or not all(map(is_, values, self.values))


class StepPlan:
    """A replay and what it stands on.

    Attributes
    ----------
    loss, outputs : ndarray
        Of the latest run; overwritten by the next.
    verified : bool
        Whether a replay has been found to give the bits of a step.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        replay: Replay,
        moved: list[_Moved],
        loss: Array,
        outputs: Array,
    ) -> None:
        self.loss = loss
        self.outputs = outputs
        self.verified = False
        self._model = model
        self._optimizer = optimizer
        self._replay = replay
        self._moved = moved
        self._number = Structure.number
        self._structure = _structure(model)
        self._tensors = _tensors(model)
        self._arrays = [tensor._data for tensor in self._tensors]
        # Dropout draws one pair of numbers for both directions.
        self._draws: dict[tuple[int, int], tuple[int, list[int]]] = {}
        self._others: list[Array] = []
        self._counters: list[Array] = []
        for index, (size, *pair) in enumerate(replay.dropouts):
            self._draws.setdefault((pair[0], pair[1]), (size, []))[1].append(index)

    @staticmethod
    def finish(
        model: Module,
        optimizer: Optimizer,
        updates: list[Update],
        inputs: tuple[Array, Array],
        results: tuple[Tensor, Tensor],
        constants: list[Array],
    ) -> StepPlan | str:
        """End a recording; a string says why it cannot be replayed."""
        loss, outputs = results
        if len({slot.tensor for update in updates for slot in update.slots}) < 1:
            recording.cancel()
            return "no parameter has a gradient"
        grads = [grad for update in updates for grad in update.grads]
        known = [tensor._data for tensor in _tensors(model)] + constants
        for update in updates:
            known += update.params
            known += [array for arrays in update.states for array in arrays]
        replay = recording.finish(inputs, known, [*grads, loss._data, outputs._data])
        if isinstance(replay, str):
            return replay
        *kept, kept_loss, kept_outputs = replay.kept
        moved = []
        for update in updates:
            moved.append(_Moved(update, kept[: len(update.slots)]))
            del kept[: len(update.slots)]
        return StepPlan(model, optimizer, replay, moved, kept_loss, kept_outputs)

    def also_changes(self, arrays: list[Array], counters: list[Array]) -> None:
        """Take note of what a step changes beside what the optimizer does.

        Parameters
        ----------
        arrays : list of ndarray
            Of the model; kernels change them.
        counters : list of ndarray
            Go up by one at each run.
        """
        self._others = arrays + counters
        self._counters = counters

    def stale(self) -> str | None:
        """Why the plan does not hold any more, or None if it does."""
        if not (recording.possible() and is_grad_enabled()):
            return "kernels are not recorded now"
        if Structure.number != self._number:
            if not _same(self._structure, _structure(self._model)):
                return "the model has changed"
            self._number = Structure.number
        if not all(map(is_, map(_data_of, self._tensors), self._arrays)):
            return "a parameter's array has been replaced"
        for moved in self._moved:
            if moved.replaced():
                return "the optimizer's state has been replaced"
            if moved.options_are_new():
                options = _options(moved.group)
                free = self._optimizer.recorded_options
                if any(
                    options[name] != moved.options[name]
                    for name in options
                    if name not in free
                ):
                    return "an option of the optimizer has changed"
                self._optimizer.check_options(moved.group)
                names = self._optimizer.state_names(moved.group)
                if len(names) * len(moved.slots) != len(moved.arrays):
                    return "an option of the optimizer has changed"
                moved.note_options()
        return None

    def ready(self, x: Array, y: Array) -> bool:
        """Set the inputs; False where kernels would refuse what they hold."""
        return self._replay.set_inputs([x, y])

    def run(self, *, forget: bool = False, timed: bool = False) -> list[KernelTime]:
        """Replay the step.

        Parameters
        ----------
        forget : bool
            Leave the tensors' and slots' numbers alone.
        timed : bool
            Return what each kernel took; else an empty list.
        """
        replay = self._replay
        for counter in self._counters:
            counter += 1
        for size, calls in self._draws.values():
            seed, offset = random.dropout_key(size)
            for index in calls:
                replay.set_dropout(index, seed, offset)
        for index, moved in enumerate(self._moved):
            step = moved.slots[0].step + 1
            self._optimizer.set_recorded(replay, index, moved.group, step)
        times = []
        if timed:
            times = [KernelTime(*time) for time in replay.run_timed()]
        else:
            replay.run()
        if forget:
            return times
        for moved in self._moved:
            for slot, grad in zip(moved.slots, moved.grads, strict=True):
                slot.step += 1
                grad._version.number += 1
                slot.tensor._grad = grad
                slot.tensor._version.number += 1
        return times

    def state(self) -> list[Array]:
        """Copies of all that a run changes."""
        return [array.copy() for array in self._changed()]

    def restore(self, state: list[Array]) -> None:
        """Go back to what `state` returned."""
        for array, saved in zip(self._changed(), state, strict=True):
            np.copyto(array, saved)

    def _changed(self) -> list[Array]:
        found = list(self._others)
        for moved in self._moved:
            found += [*moved.params, *moved.arrays]
        return found


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _tensors(model: Module) -> list[Tensor]:
    """Parameters and whatever other arrays are attributes of the modules."""
    return [
        value if isinstance(value, Tensor) else Tensor(value)
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, (Tensor, np.ndarray))
    ]


def _structure(model: Module) -> list[tuple[Module, dict[str, Any]]]:
    """The modules and their attributes, but for what they work out themselves."""
    return [(module, _attributes(module)) for module in model.modules()]


def _attributes(module: Module) -> dict[str, Any]:
    found = {k: v for k, v in vars(module).items() if not k.startswith("_")}
    # A class attribute until it is first set.
    found["training"] = module.training
    return found


def _same(
    one: list[tuple[Module, dict[str, Any]]], other: list[tuple[Module, dict[str, Any]]]
) -> bool:
    if len(one) != len(other):
        return False
    for (module, values), (module_now, values_now) in zip(one, other, strict=True):
        if module is not module_now or values.keys() != values_now.keys():
            return False
        for name, value in values.items():
            now = values_now[name]
            if now is not value and (
                isinstance(value, (Tensor, np.ndarray, Module)) or now != value
            ):
                return False
    return True
