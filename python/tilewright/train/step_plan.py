"""A recorded training step: what it consists of, and whether it still holds."""

from __future__ import annotations

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
from tilewright.optim.optimizer import Update
from tilewright.optim.recorded import RecordedUpdate

if TYPE_CHECKING:
    from tilewright.kernels.recording import Replay

Array = NDArray[Any]

_data_of = attrgetter("_data")


class KernelTime(NamedTuple):
    """A kernel of a compiled step, its algorithm, and the seconds that it took."""

    kernel: str
    algorithm: str
    seconds: float


class StepPlan:
    """A replay and what it stands on.

    Attributes
    ----------
    loss : ndarray
    outputs : ndarray or tuple of ndarray
        Of the latest run; overwritten by the next.
    verified : bool
        Whether a replay has been found to give the bits of a step.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        replay: Replay,
        moved: list[RecordedUpdate],
        loss: Array,
        outputs: Any,
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
        inputs: tuple[Any, Any],
        results: tuple[Tensor, Any],
        constants: list[Array],
    ) -> StepPlan | str:
        """End a recording; a string says why it cannot be replayed."""
        loss, outputs = results
        if len({slot.tensor for update in updates for slot in update.slots}) < 1:
            recording.cancel()
            return "no parameter has a gradient"
        if not all(isinstance(each, Tensor) for each in flat(outputs)):
            recording.cancel()
            return "the model returned what is no tensor"
        grads = [grad for update in updates for grad in update.grads]
        known = [tensor._data for tensor in _tensors(model)] + constants
        for update in updates:
            known += update.params
            known += [array for arrays in update.states for array in arrays]
        made = [tensor._data for tensor in (loss, *flat(outputs))]
        given = [array for each in inputs for array in flat(each)]
        replay = recording.finish(given, known, grads + made)
        if isinstance(replay, str):
            return replay
        kept = list(replay.kept)
        kept_loss, *kept_outputs = kept[len(grads) :]
        moved = []
        for update in updates:
            made = [Tensor(array) for array in kept[: len(update.slots)]]
            moved.append(RecordedUpdate(update, made))
            del kept[: len(update.slots)]
        several = isinstance(outputs, tuple)
        last = tuple(kept_outputs) if several else kept_outputs[0]
        return StepPlan(model, optimizer, replay, moved, kept_loss, last)

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
            if (problem := moved.stale(self._optimizer)) is not None:
                return problem
        return None

    def ready(self, x: Any, y: Any) -> bool:
        """Set the inputs; False where kernels would refuse what they hold."""
        return self._replay.set_inputs([*flat(x), *flat(y)])

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
            moved.advance()
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


def flat(value: Any) -> tuple[Any, ...]:
    """The members of a tuple; anything else as a tuple of one."""
    return value if type(value) is tuple else (value,)


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
