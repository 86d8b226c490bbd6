"""Metrics that are more than a mean over samples."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class Metric:
    """A number that follows from all batches of an epoch together.

    A subclass defines `reset`, `update`, `result`, and keeps what it gathers in
    attributes of numbers and arrays. What is a mean over samples needs no such class:
    a function of (outputs, targets) does.

    Attributes
    ----------
    name : str
        In the history.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import Metric
    >>> class LargestOutput(Metric):
    ...     name = "largest"
    ...
    ...     def reset(self):
    ...         self.largest = -np.inf
    ...
    ...     def update(self, outputs, targets):
    ...         self.largest = max(self.largest, float(outputs.max()))
    ...
    ...     def result(self):
    ...         return self.largest
    >>> metric = LargestOutput()
    >>> metric.reset()
    >>> metric.update(np.array([1.0, 7.0]), np.array([0, 0]))
    >>> metric.result()
    7.0
    """

    name = "metric"

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in one batch.

        Parameters
        ----------
        outputs : ndarray, shape (N, ...)
            What the model returned.
        targets : ndarray, shape (N, ...)
        """
        raise NotImplementedError

    def result(self) -> float:
        """The number so far; NaN where it is not defined."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What has been gathered, for a checkpoint."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Parameters
        ----------
        state : dict
        """
        vars(self).update(state)
