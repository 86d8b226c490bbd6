"""Metrics over batches, averaged over samples in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Outputs and targets of one batch -> one value a sample, or the batch's mean.
MetricFunction = Callable[[Array, Array], Any]


def accuracy(outputs: Array, targets: Array) -> NDArray[np.bool_]:
    """Whether the largest output is the target class.

    Parameters
    ----------
    outputs : ndarray, shape (N, C)
        Logits or probabilities.
    targets : ndarray of int, shape (N,)
        Class ids.

    Returns
    -------
    ndarray of bool, shape (N,)
        One value a sample; their mean is the accuracy.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train import accuracy
    >>> accuracy(np.array([[0.1, 0.9], [2.0, 1.0]]), np.array([1, 1])).tolist()
    [True, False]
    """
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise ValueError(
            "accuracy: expected outputs (N, C) and targets (N,), got "
            f"{outputs.shape} and {targets.shape}"
        )
    right: NDArray[np.bool_] = np.equal(outputs.argmax(axis=1), targets)
    return right


METRICS: dict[str, MetricFunction] = {"accuracy": accuracy}


def resolve_metrics(
    metrics: Sequence[str | MetricFunction],
) -> dict[str, MetricFunction]:
    """Metric functions by name.

    Parameters
    ----------
    metrics : sequence of str or callable
        ``"accuracy"``, or functions of (outputs, targets) that return one value a
        sample, shape (N,), or the mean over the batch.

    Returns
    -------
    dict of str to callable

    Raises
    ------
    ValueError
        If a name is unknown or occurs twice.
    TypeError
        If `metrics` is a string, or an item neither a string nor callable.
    """
    if isinstance(metrics, str):
        raise TypeError(f"Trainer: metrics must be a list, got {metrics!r}")
    resolved: dict[str, MetricFunction] = {}
    for metric in metrics:
        if isinstance(metric, str):
            if metric not in METRICS:
                raise ValueError(
                    f"Trainer: unknown metric {metric!r}; expected one of "
                    f"{', '.join(METRICS)}, or a function"
                )
            name, function = metric, METRICS[metric]
        elif callable(metric):
            name, function = getattr(metric, "__name__", type(metric).__name__), metric
        else:
            raise TypeError(
                "Trainer: a metric must be a name or a function, got "
                f"{type(metric).__name__}"
            )
        if name in resolved or name == "loss":
            raise ValueError(f"Trainer: two metrics are named {name!r}")
        resolved[name] = function
    return resolved


class RunningMeans:
    """Means over samples of the loss and the metrics, batch after batch.

    Sums are Python floats (float64), so that a report over 60,000 samples does not
    depend on the order of magnitude it has reached.

    Parameters
    ----------
    metrics : dict of str to callable
        From `resolve_metrics`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import RunningMeans, resolve_metrics
    >>> means = RunningMeans(resolve_metrics(["accuracy"]))
    >>> means.update(0.5, np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1, 0]))
    >>> means.result()
    {'loss': 0.5, 'accuracy': 0.5}
    """

    def __init__(self, metrics: dict[str, MetricFunction]) -> None:
        self._metrics = metrics
        self.samples = 0
        self._sums = dict.fromkeys(["loss", *metrics], 0.0)

    def update(self, loss: float, outputs: Array, targets: Array) -> None:
        """Take in one batch.

        Parameters
        ----------
        loss : float
            Mean loss over the batch.
        outputs : ndarray, shape (N, ...)
        targets : ndarray, shape (N, ...)
        """
        size = len(targets)
        self.samples += size
        self._sums["loss"] += loss * size
        for name, function in self._metrics.items():
            value = function(outputs, targets)
            if isinstance(value, np.ndarray) and value.ndim:
                self._sums[name] += float(value.sum(dtype=np.float64))
            else:
                self._sums[name] += float(value) * size

    def result(self) -> dict[str, float]:
        """Means so far; NaN before the first sample."""
        if not self.samples:
            return dict.fromkeys(self._sums, float("nan"))
        return {name: total / self.samples for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Sums and count, exact and ready for JSON."""
        return {"samples": self.samples, "sums": dict(self._sums)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Parameters
        ----------
        state : dict

        Raises
        ------
        ValueError
            If it is of other metrics.
        """
        if set(state["sums"]) != set(self._sums):
            raise ValueError(
                f"RunningMeans: the saved state is of {sorted(state['sums'])}, "
                f"expected {sorted(self._sums)}"
            )
        self.samples = state["samples"]
        self._sums = dict(state["sums"])
