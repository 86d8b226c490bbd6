"""The optimizers of `tilewright.optim` where Keras's formulas are other ones.

PyTorch adds epsilon to the corrected root, Keras to the one that is not (Adam), or
below the root (RMSprop, Adagrad).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tilewright import optim
from tilewright.optim.optimizer import Group, Update

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture
    from tilewright.kernels.recording import Replay


class KerasAdam(optim.Adam):
    """Adam with epsilon beside the root that has no correction of its bias."""

    def run_kernel(self, update: Update) -> None:
        """Move the parameters of an update."""
        super().run_kernel(update._replace(group=_shifted(update.group, update.step)))

    def set_recorded(
        self, replay: Replay | Capture, index: int, group: Group, step: int
    ) -> None:
        """Put a group's options and the step's number into a recorded call."""
        super().set_recorded(replay, index, _shifted(group, step), step)


class KerasAdamW(KerasAdam):
    """The same with decoupled weight decay."""

    _decoupled = True


class KerasRMSprop(optim.RMSprop):
    """RMSprop with epsilon below the root."""

    _eps_in_root = True


class KerasAdagrad(optim.Adagrad):
    """Adagrad with epsilon below the root."""

    _eps_in_root = True


def _shifted(group: Group, step: int) -> Group:
    """Options with the epsilon that comes to the same."""
    root = math.sqrt(1 - group["betas"][1] ** step)
    return {**group, "eps": group["eps"] / root}


def set_rate(optimizer: optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups.

    Keras's momentum is a sum of steps, ours one of gradients: what it holds is
    divided by the new rate and multiplied by the old one, which comes to the same.

    Parameters
    ----------
    optimizer : Optimizer
    rate : float
    """
    for group, slots in zip(optimizer.param_groups, optimizer._slots, strict=True):
        old = group["lr"]
        if old == rate:
            continue
        names = optimizer.state_names(group)
        if "momentum_buffer" in names and rate > 0:
            position = names.index("momentum_buffer")
            for slot in slots:
                if slot.step and len(slot.arrays) == len(names):
                    slot.arrays[position] *= slot.arrays[position].dtype.type(
                        old / rate
                    )
        group["lr"] = rate
