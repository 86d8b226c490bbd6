"""Steps of several batches together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from tilewright.autograd import Tensor
from tilewright.autograd.arrays import boxed
from tilewright.kernels import checks
from tilewright.train.callbacks.callback import Callback
from tilewright.train.step_plan import flat

if TYPE_CHECKING:
    from tilewright.train.run import Run


class GradientAccumulation(Callback):
    """One step of the optimizer for several batches, as if they were one.

    The gradient is the mean over the samples of all of them, so that the memory of a
    small batch serves the steps of a large one. The last step of an epoch takes the
    batches that are left.

    Parameters
    ----------
    batches : int
        At least 1.

    Raises
    ------
    ValueError
        If there are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> optimizer = tw.optim.Adam(model.parameters())
    >>> _ = tw.Trainer(model, optimizer).fit(
    ...     (np.ones((10, 2), np.float32), np.zeros(10, int)), batch_size=2,
    ...     verbose=False, callbacks=[tw.train.GradientAccumulation(2)])
    >>> optimizer.state_dict()["state"][0]["step"]
    3
    """

    # Before what looks at the gradients of a whole step.
    priority: ClassVar[int] = -10

    def __init__(self, batches: int) -> None:
        self.batches = checks.integer("GradientAccumulation", "batches", batches, 1)
        self._sums: list[NDArray[Any] | None] = []
        self._samples = 0
        self._done = 0

    def on_fit_begin(self, run: Run) -> None:
        """Begin without gradients of an earlier run."""
        self._reset()

    def _reset(self) -> None:
        self._sums, self._samples, self._done = [], 0, 0

    def on_gradients(self, run: Run) -> bool | None:
        """Add the batch's gradients to those before, and give all on at the end."""
        parameters = list(run.model.parameters())
        size = len(flat(run.inputs[0])[0])
        self._sums = self._sums or [None] * len(parameters)
        for position, parameter in enumerate(parameters):
            if parameter.grad is None:
                continue
            share = parameter.grad.data * parameter.dtype.type(size)
            total = self._sums[position]
            self._sums[position] = share if total is None else total + share
        self._samples += size
        self._done += 1
        if self._done < self.batches and run.more:
            return False
        for parameter, total in zip(parameters, self._sums, strict=True):
            if total is not None:
                mean = boxed(total / total.dtype.type(self._samples))
                parameter.grad = Tensor(mean)
        self._reset()
        return None
