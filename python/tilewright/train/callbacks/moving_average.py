"""An exponential moving average of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tilewright.kernels import checks, devices
from tilewright.nn.module import device_of
from tilewright.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from tilewright.train.run import Run


class MovingAverage(Callback):
    """Keeps an average of the weights, which is often the better model.

    After each step ``average = decay * average + (1 - decay) * weight``. Validation
    sees the averages, and so do callbacks of ordinary priority at the end of an epoch,
    such as EarlyStopping; training goes on with the weights themselves. The model
    ends with the averages.

    Parameters
    ----------
    decay : float, default 0.999
        In ``[0, 1)``.

    Raises
    ------
    ValueError
        If it is out of range.

    References
    ----------
    B. T. Polyak and A. B. Juditsky, "Acceleration of Stochastic Approximation by
    Averaging", 1992.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit(
    ...     (np.ones((4, 2), np.float32), np.zeros(4, int)), epochs=3, verbose=False,
    ...     callbacks=[tw.train.MovingAverage(0.9)])
    """

    # After what stops and before what saves.
    priority: ClassVar[int] = 5

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = checks.number(
            "MovingAverage", "decay", decay, 0.0, 1.0, open_high=True
        )
        self._averages: list[NDArray[Any]] = []
        self._weights: list[NDArray[Any]] | None = None
        self._resumed = False

    def on_fit_begin(self, run: Run) -> None:
        """Begin with the weights as they are."""
        if not self._resumed:
            self._averages = [p.data.copy() for p in run.model.parameters()]
        device = device_of(run.model)
        self._averages = [devices.moved(array, device) for array in self._averages]
        self._resumed = False
        self._weights = None

    def on_batch_end(self, run: Run) -> None:
        """Take in the weights of a step."""
        if run.held:
            return
        for average, parameter in zip(
            self._averages, run.model.parameters(), strict=True
        ):
            average += (1 - self.decay) * (parameter.data - average)

    def on_validation_begin(self, run: Run) -> None:
        """Show the averages."""
        self._weights = [p.data.copy() for p in run.model.parameters()]
        self._show(run, self._averages)

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """Go on with the weights themselves."""
        if self._weights is not None:
            self._show(run, self._weights)
            self._weights = None

    def on_fit_end(self, run: Run) -> None:
        """Leave the averages in the model."""
        if self._averages:
            self._show(run, self._averages)
        self._weights = None

    def _show(self, run: Run, arrays: list[NDArray[Any]]) -> None:
        for parameter, array in zip(run.model.parameters(), arrays, strict=True):
            np.copyto(parameter.data, array)
            parameter._version.number += 1

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return {"averages": [devices.to_host(array) for array in self._averages]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._averages = [np.array(array) for array in state["averages"]]
        self._resumed = True
