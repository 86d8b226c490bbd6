"""An optimizer's step that was recorded with a training step, and is done again."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any

from tilewright.autograd import Tensor
from tilewright.errors import CaptureError

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture
    from tilewright.optim.optimizer import Optimizer, Update

_data_of = attrgetter("_data")
_requires_grad_of = attrgetter("_requires_grad")
_arrays_of = attrgetter("arrays")
_step_of = attrgetter("step")


class RecordedUpdate:
    """The parameters that one recorded call of the optimizer's kernel moves.

    Parameters
    ----------
    update : Update
    grads : list of Tensor
        Where each run leaves the parameters' gradients.
    """

    def __init__(self, update: Update, grads: list[Tensor]) -> None:
        self.group = update.group
        self.slots = update.slots
        self.tensors = [slot.tensor for slot in update.slots]
        self.params = update.params
        self.arrays = list(chain.from_iterable(map(_arrays_of, update.slots)))
        self.grads = grads
        self._note_options()

    def _note_options(self) -> None:
        """The options in force from now on."""
        self.options = _options(self.group)
        self.values = list(self.group.values())

    def stale(self, optimizer: Optimizer) -> str | None:
        """Why the recording does not hold any more, or None if it does.

        Raises
        ------
        ValueError, TypeError
            If an option has been set to what the optimizer refuses.
        """
        if self._replaced():
            return "the optimizer's state has been replaced"
        if self._options_are_new():
            options, free = _options(self.group), optimizer.recorded_options
            if any(
                options[name] != self.options[name]
                for name in options
                if name not in free
            ):
                return "an option of the optimizer has changed"
            optimizer.check_options(self.group)
            names = optimizer.state_names(self.group)
            if len(names) * len(self.slots) != len(self.arrays):
                return "an option of the optimizer has changed"
            self._note_options()
        return None

    def _replaced(self) -> bool:
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

    def _options_are_new(self) -> bool:
        """Whether an option may have been set."""
        values = self.group.values()
        return len(values) != len(self.values) or not all(map(is_, values, self.values))

    def advance(self) -> None:
        """Note that the step has been done once more."""
        for slot, grad in zip(self.slots, self.grads, strict=True):
            slot.step += 1
            grad._version.number += 1
            slot.tensor._grad = grad
            slot.tensor._version.number += 1


def note(capture: Capture, optimizer: Optimizer, updates: list[Update]) -> None:
    """Let each further run of a CUDA graph do this step with the options of its time.

    Parameters
    ----------
    capture : Capture
        The graph that is captured; the optimizer has just launched its kernels.
    optimizer : Optimizer
    updates : list of Update
        What it did: a kernel each.

    Raises
    ------
    CaptureError
        If a parameter is moved for the first time: what is kept for it would be made
        anew by each run.
    """
    first = capture.calls(optimizer.kernel) - len(updates)
    for call, update in enumerate(updates, first):
        _note(capture, optimizer, call, update)


def _note(capture: Capture, optimizer: Optimizer, call: int, update: Update) -> None:
    grads = [slot.tensor._grad for slot in update.slots]
    recorded = RecordedUpdate(update, [grad for grad in grads if grad is not None])

    def undo() -> None:
        for slot in update.slots:
            slot.step -= 1
            slot.tensor._grad = None

    def prepare() -> None:
        step = update.slots[0].step + 1
        optimizer.set_recorded(capture, call, update.group, step)

    capture.undo.append(undo)
    if update.step == 1:
        raise CaptureError("the first step of an optimizer cannot be captured")
    capture.checks.append(lambda: recorded.stale(optimizer))
    capture.before_run.append(prepare)
    capture.after_run.append(recorded.advance)


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}
