"""The loss and the metrics of an epoch, batch after batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tilewright.kernels.device_arrays import on_device
from tilewright.kernels.devices import to_host
from tilewright.train.metrics.accuracy import TopKAccuracy, accuracy, binary_accuracy
from tilewright.train.metrics.auc import AUC
from tilewright.train.metrics.confusion import F1, Precision, Recall
from tilewright.train.metrics.metric import Metric

# Outputs and targets of one batch -> one value a sample, or the batch's mean.
MetricFunction = Callable[[Any, Any], Any]

# How many batches wait on a GPU for metrics that NumPy computes.
_MOST_WAITING = 32

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


def _runs_there(function: MetricFunction) -> bool:
    """Whether a function takes CuPy's arrays, and its values are one a sample."""
    return isinstance(function, TopKAccuracy) or function in (accuracy, binary_accuracy)


def _total(value: Any, size: int) -> float:
    """The sum over a batch of one value a sample, or of their mean."""
    if isinstance(value, np.ndarray) and value.ndim:
        return float(value.sum(dtype=np.float64))
    return float(value) * size


def _copied(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([each.copy() for each in value])
    return value.copy()


def _to_host(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([to_host(each) for each in value])
    return to_host(value)


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
        # On a GPU, arrays without axes.
        self._sums: dict[str, Any] = dict.fromkeys(["loss", *self._functions], 0.0)
        self._waiting: list[tuple[Any, Any]] = []

    def update(self, loss: float, outputs: Any, targets: Any) -> None:
        """Take in one batch.

        Batches on a GPU are not waited for: sums stay there, and what is computed
        with NumPy is so for some batches at a time.

        Parameters
        ----------
        loss : float, or CuPy array without axes
            Mean loss over the batch.
        outputs : ndarray, shape (N, ...), or tuple of ndarray
        targets : ndarray, shape (N, ...), or tuple of ndarray
        """
        size = len(targets[0] if isinstance(targets, tuple) else targets)
        self.samples += size
        if on_device(outputs[0] if isinstance(outputs, tuple) else outputs):
            self._update_there(loss, outputs, targets, size)
            return
        self._sums["loss"] += loss * size
        for name, function in self._functions.items():
            self._sums[name] += _total(function(outputs, targets), size)
        for metric in self._whole.values():
            metric.update(outputs, targets)

    def _update_there(self, loss: Any, outputs: Any, targets: Any, n: int) -> None:
        """Take in one batch on a GPU."""
        # In float64, as the sums of Python's floats are.
        self._sums["loss"] = self._sums["loss"] + loss.astype(np.float64) * n
        for name, function in self._functions.items():
            if _runs_there(function):
                total = function(outputs, targets).sum(dtype=np.float64)
                self._sums[name] = self._sums[name] + total
        if self._whole or not all(map(_runs_there, self._functions.values())):
            # Copies: the next step may overwrite the model's outputs.
            self._waiting.append((_copied(outputs), _copied(targets)))
            if len(self._waiting) == _MOST_WAITING:
                self._settle()

    def _settle(self) -> None:
        """Wait for what is on a GPU."""
        self._sums = {name: float(total) for name, total in self._sums.items()}
        waiting, self._waiting = self._waiting, []
        for pair in waiting:
            outputs, targets = map(_to_host, pair)
            size = len(targets[0] if isinstance(targets, tuple) else targets)
            for name, function in self._functions.items():
                if not _runs_there(function):
                    self._sums[name] += _total(function(outputs, targets), size)
            for metric in self._whole.values():
                metric.update(outputs, targets)

    def result(self) -> dict[str, float]:
        """Values so far; NaN before the first sample."""
        self._settle()
        if not self.samples:
            return dict.fromkeys(self._names, float("nan"))
        values = {name: total / self.samples for name, total in self._sums.items()}
        values.update({name: each.result() for name, each in self._whole.items()})
        return {name: values[name] for name in self._names}

    def means(self) -> dict[str, float]:
        """What of `result` costs nothing: the means, for a report within an epoch."""
        self._settle()
        samples = self.samples or float("nan")
        return {name: total / samples for name, total in self._sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Sums and count, and what metrics have gathered; exact."""
        self._settle()
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
        self._waiting = []
        self.samples = state["samples"]
        self._sums = dict(state["sums"])
        for name, metric in self._whole.items():
            metric.load_state_dict(gathered[name])
