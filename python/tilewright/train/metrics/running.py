"""The loss and the metrics of an epoch, batch after batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tilewright.train.metrics.accuracy import TopKAccuracy, accuracy, binary_accuracy
from tilewright.train.metrics.auc import AUC
from tilewright.train.metrics.confusion import F1, Precision, Recall
from tilewright.train.metrics.metric import Metric

# Outputs and targets of one batch -> one value a sample, or the batch's mean.
MetricFunction = Callable[[Any, Any], Any]

METRICS: dict[str, Callable[[], MetricFunction | Metric]] = {
    "accuracy": lambda: accuracy,
    "binary_accuracy": lambda: binary_accuracy,
    "top_5_accuracy": TopKAccuracy,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "auc": AUC,
}


def resolve_metrics(
    metrics: Sequence[str | MetricFunction | Metric],
) -> dict[str, MetricFunction | Metric]:
    """Metrics by name.

    Parameters
    ----------
    metrics : sequence of str, Metric or callable
        Names of `METRICS`; a :class:`Metric`; or functions of (outputs, targets)
        that return one value a sample, shape (N,), or the mean over the batch.

    Returns
    -------
    dict of str to Metric or callable

    Raises
    ------
    ValueError
        If a name is unknown or occurs twice.
    TypeError
        If `metrics` is a string, or an item neither a string nor callable.

    Examples
    --------
    >>> from tilewright.train.metrics import resolve_metrics
    >>> list(resolve_metrics(["accuracy", "f1"]))
    ['accuracy', 'f1']
    """
    if isinstance(metrics, str):
        raise TypeError(f"Trainer: metrics must be a list, got {metrics!r}")
    resolved: dict[str, MetricFunction | Metric] = {}
    for metric in metrics:
        if isinstance(metric, str):
            if metric not in METRICS:
                raise ValueError(
                    f"Trainer: unknown metric {metric!r}; expected one of "
                    f"{', '.join(METRICS)}, a Metric, or a function"
                )
            name, found = metric, METRICS[metric]()
        elif isinstance(metric, Metric):
            name, found = metric.name, metric
        elif callable(metric):
            name, found = getattr(metric, "__name__", type(metric).__name__), metric
        else:
            raise TypeError(
                "Trainer: a metric must be a name, a Metric or a function, got "
                f"{type(metric).__name__}"
            )
        if name in resolved or name == "loss":
            raise ValueError(f"Trainer: two metrics are named {name!r}")
        resolved[name] = found
    return resolved


class RunningMeans:
    """Means over samples of the loss and of functions, and whole metrics.

    Sums are Python floats (float64), so that a report over 60,000 samples does not
    depend on the order of magnitude it has reached.

    Parameters
    ----------
    metrics : dict of str to Metric or callable
        From `resolve_metrics`; a :class:`Metric` is copied, and gathers for itself.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import RunningMeans, resolve_metrics
    >>> means = RunningMeans(resolve_metrics(["accuracy"]))
    >>> means.update(0.5, np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1, 0]))
    >>> means.result()
    {'loss': 0.5, 'accuracy': 0.5}
    """

    def __init__(self, metrics: dict[str, MetricFunction | Metric]) -> None:
        self.samples = 0
        self._names = ["loss", *metrics]
        self._functions: dict[str, MetricFunction] = {}
        self._whole: dict[str, Metric] = {}
        for name, metric in metrics.items():
            if isinstance(metric, Metric):
                self._whole[name] = copy.copy(metric)
                self._whole[name].reset()
            else:
                self._functions[name] = metric
        self._sums = dict.fromkeys(["loss", *self._functions], 0.0)

    def update(self, loss: float, outputs: Any, targets: Any) -> None:
        """Take in one batch.

        Parameters
        ----------
        loss : float
            Mean loss over the batch.
        outputs : ndarray, shape (N, ...), or tuple of ndarray
        targets : ndarray, shape (N, ...), or tuple of ndarray
        """
        size = len(targets[0] if isinstance(targets, tuple) else targets)
        self.samples += size
        self._sums["loss"] += loss * size
        for name, function in self._functions.items():
            value = function(outputs, targets)
            if isinstance(value, np.ndarray) and value.ndim:
                self._sums[name] += float(value.sum(dtype=np.float64))
            else:
                self._sums[name] += float(value) * size
        for metric in self._whole.values():
            metric.update(outputs, targets)

    def result(self) -> dict[str, float]:
        """Values so far; NaN before the first sample."""
        if not self.samples:
            return dict.fromkeys(self._names, float("nan"))
        values = {name: total / self.samples for name, total in self._sums.items()}
        values.update({name: each.result() for name, each in self._whole.items()})
        return {name: values[name] for name in self._names}

    def means(self) -> dict[str, float]:
        """What of `result` costs nothing: the means, for a report within an epoch."""
        samples = self.samples or float("nan")
        return {name: total / samples for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Sums and count, and what metrics have gathered; exact."""
        state: dict[str, Any] = {"samples": self.samples, "sums": dict(self._sums)}
        if self._whole:
            state["metrics"] = {n: m.state_dict() for n, m in self._whole.items()}
        return state

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
        gathered = state.get("metrics", {})
        found, expected = {*state["sums"], *gathered}, set(self._names)
        if found != expected:
            raise ValueError(
                f"RunningMeans: the saved state is of {sorted(found)}, "
                f"expected {sorted(expected)}"
            )
        self.samples = state["samples"]
        self._sums = dict(state["sums"])
        for name, metric in self._whole.items():
            metric.load_state_dict(gathered[name])
