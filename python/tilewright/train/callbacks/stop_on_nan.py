"""An end to a run whose numbers are none, with the name of the layer to blame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tilewright import random
from tilewright.autograd import Tensor, no_grad
from tilewright.kernels.device_arrays import is_array
from tilewright.nn import Module
from tilewright.train.callbacks.callback import Callback
from tilewright.train.step_plan import flat

if TYPE_CHECKING:
    from tilewright.train.run import Run


class StopOnNaN(Callback):
    """Ends the run before a NaN or an infinity reaches the weights.

    The loss and all gradients are looked at before each step. Where they are not
    finite the step is not done, the batch is run once more layer by layer, and
    `history.stopped` names the first layer that made something not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Sequential(tw.nn.Linear(2, 2), tw.nn.Linear(2, 2))
    >>> model[1].bias.data[0] = np.inf
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters()))
    >>> history = trainer.fit(
    ...     (np.ones((4, 2), np.float32), np.zeros(4, int)), verbose=False,
    ...     callbacks=[tw.train.StopOnNaN()])
    >>> print(history.stopped)
    the loss is nan in batch 1 of epoch 1: bias of layer '1' (Linear) is not finite
    """

    # Before the gradients are added to those of other batches.
    priority: ClassVar[int] = -20

    def on_gradients(self, run: Run) -> bool | None:
        """Look at the loss and the gradients."""
        where = f"in batch {run.batch} of epoch {run.epoch + 1}"
        if not math.isfinite(run.loss):
            run.stop(f"the loss is {run.loss} {where}: {_first_bad_layer(run)}")
            return False
        # What is not finite stays so in the backward pass: the first layer to make it
        # is the last one that has it.
        for name, parameter in reversed(list(run.model.named_parameters())):
            if parameter.grad is not None and not _finite(parameter.grad.data):
                run.stop(
                    f"a gradient is not finite {where}: that of {name}, first on the "
                    "way back"
                )
                return False
        return None


def _first_bad_layer(run: Run) -> str:
    """Run the batch again, and say where the first bad number comes from."""
    x, _ = run.inputs
    if not all(_finite(each) for each in flat(x) if is_array(each)):
        return "the input is not finite"
    layers = [
        (name, module)
        for name, module in run.model.named_modules()
        if not any(True for _ in module.children())
    ]
    for name, module in layers:
        for key, value in vars(module).items():
            if isinstance(value, Tensor) and not _finite(value.data):
                return (
                    f"{key} of layer {name!r} ({type(module).__name__}) is not finite"
                )
    found: list[str] = []

    def hook_of(name: str) -> Any:
        def hook(module: Module, args: Any, outputs: Any) -> None:
            if not found and isinstance(outputs, Tensor) and not _finite(outputs.data):
                found.append(
                    f"the output of layer {name!r} ({type(module).__name__}) is the "
                    "first that is not finite"
                )

        return hook

    # Nothing of this second run may be left: random numbers, running statistics.
    numbers, state = random.get_state(), run.model.state_dict()
    handles = [module.register_forward_hook(hook_of(name)) for name, module in layers]
    try:
        with no_grad():
            run.model(x)
    finally:
        for handle in handles:
            handle.remove()
        random.set_state(numbers)
        run.model.load_state_dict(state)
    return found[0] if found else "all layers' outputs are finite, the loss is not"


def _finite(array: Any) -> bool:
    if array.dtype.kind != "f":
        return True
    # The sum is finite where all are, but for overflow: then each is looked at.
    with np.errstate(all="ignore"):
        total = np.add.reduce(array, axis=None)
    return bool(np.isfinite(total)) or bool(np.isfinite(array).all())
