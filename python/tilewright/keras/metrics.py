"""Metrics under their Keras names; each stands for one of `tilewright.train`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.keras.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Loss,
    SparseCategoricalCrossentropy,
)
from tilewright.keras.naming import resolve, snake_case
from tilewright.train import metrics as native
from tilewright.train.metrics import MetricFunction

Array = NDArray[Any]
Native = MetricFunction | native.Metric


class Metric:
    """Base of metrics: what is computed of outputs and targets.

    Parameters
    ----------
    name : str, optional
        In the history.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self._own: native.Metric | None = None
        self._mean = (0.0, 0)

    def make(self) -> Native:
        """The metric of ours, of probabilities and targets."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same again."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    # By hand, as Keras allows it.

    def update_state(self, y_true: Any, y_pred: Any) -> None:
        """Take in targets and predictions."""
        outputs, targets = np.asarray(y_pred), np.asarray(y_true)
        made = self.make()
        if isinstance(made, native.Metric):
            self._own = self._own or made
            self._own.update(outputs, targets)
        else:
            total, count = self._mean
            value = np.asarray(made(outputs, targets), np.float64)
            each = value if value.ndim else np.full(len(targets), float(value))
            self._mean = (total + float(each.sum()), count + each.size)

    def result(self) -> float:
        """The number so far."""
        if self._own is not None:
            return self._own.result()
        total, count = self._mean
        return total / count if count else 0.0

    def reset_state(self) -> None:
        """Forget everything."""
        self._own, self._mean = None, (0.0, 0)


class SparseCategoricalAccuracy(Metric):
    """Share of samples whose largest output is their class id.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import metrics
    >>> metric = metrics.SparseCategoricalAccuracy()
    >>> metric.update_state(np.array([1, 0]), np.array([[0.1, 0.9], [0.2, 0.8]]))
    >>> metric.result()
    0.5
    """

    def make(self) -> Native:
        """Accuracy."""
        return lambda outputs, targets: native.accuracy(outputs, class_ids(targets))


class CategoricalAccuracy(SparseCategoricalAccuracy):
    """The same with rows of probabilities as targets."""


class BinaryAccuracy(Metric):
    """Share of outputs on their target's side of a threshold.

    Parameters
    ----------
    name : str, optional
    threshold : float, default 0.5
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(name)
        self.threshold = threshold

    def make(self) -> Native:
        """Mean over the outputs of each sample."""

        def right(outputs: Array, targets: Array) -> Array:
            hits = (outputs > self.threshold) == (targets.reshape(outputs.shape) > 0.5)
            means: Array = hits.reshape(len(outputs), -1).mean(axis=1)
            return means

        return right


class SparseTopKCategoricalAccuracy(Metric):
    """Share of samples whose class is among those of the k largest outputs.

    Parameters
    ----------
    k : int, default 5
    name : str, optional
    """

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        kind = type(self).__name__.replace("TopK", "Top_K_")
        super().__init__(name or snake_case(kind))
        self.k = k

    def make(self) -> Native:
        """Top-k accuracy."""
        top = native.TopKAccuracy(self.k)
        return lambda outputs, targets: top(outputs, class_ids(targets))


class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """The same with rows of probabilities as targets."""


class _OfYesAndNo(Metric):
    """Each output against 0 or 1."""

    _kind: Callable[..., native.Metric]

    def __init__(
        self, thresholds: float | None = None, name: str | None = None
    ) -> None:
        super().__init__(name)
        self.thresholds = 0.5 if thresholds is None else thresholds

    def make(self) -> Native:
        """The metric of ours, on all outputs in a row."""
        return _InARow(type(self)._kind("binary", threshold=self.thresholds))


class Precision(_OfYesAndNo):
    """Share of what was predicted that is so.

    Parameters
    ----------
    thresholds : float, default 0.5
    name : str, optional
    """

    _kind = native.Precision


class Recall(_OfYesAndNo):
    """Share of what is so that was predicted.

    Parameters
    ----------
    thresholds : float, default 0.5
    name : str, optional
    """

    _kind = native.Recall


class AUC(Metric):
    """Area under the ROC curve; exact, where Keras's has 200 thresholds.

    Parameters
    ----------
    name : str, optional
    """

    def make(self) -> Native:
        """The metric of ours, on all outputs in a row."""
        return _InARow(native.AUC())


class _InARow(native.Metric):
    """A metric of yes and no over outputs of several classes."""

    def __init__(self, inner: native.Metric) -> None:
        self.inner = inner

    def reset(self) -> None:
        """Forget all batches."""
        self.inner.reset()

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in one batch."""
        if outputs.size != targets.size:
            targets = np.eye(outputs.shape[-1])[class_ids(targets)]
        self.inner.update(outputs.reshape(-1), targets.reshape(-1).astype(np.int64))

    def result(self) -> float:
        """The number so far."""
        return self.inner.result()


class MeanSquaredError(Metric):
    """Mean of the squared differences."""

    def make(self) -> Native:
        """One value a sample."""
        return lambda outputs, targets: _mean(_difference(outputs, targets) ** 2)


class MeanAbsoluteError(Metric):
    """Mean of the absolute differences."""

    def make(self) -> Native:
        """One value a sample."""
        return lambda outputs, targets: _mean(np.abs(_difference(outputs, targets)))


def class_ids(targets: Array) -> Array:
    """Class ids (N,), of class ids or of rows of probabilities."""
    if targets.ndim > 1 and targets.shape[-1] > 1:
        targets = targets.argmax(axis=-1)
    return targets.reshape(-1).astype(np.int64, copy=False)


def _difference(outputs: Array, targets: Array) -> Array:
    if targets.size != outputs.size:
        targets = np.eye(outputs.shape[-1], dtype=outputs.dtype)[class_ids(targets)]
    return outputs - targets.reshape(outputs.shape)


def _mean(values: Array) -> Array:
    means: Array = values.reshape(len(values), -1).mean(axis=1)
    return means


_KNOWN: dict[str, Callable[[], Metric]] = {
    "auc": AUC,
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "mae": lambda: MeanAbsoluteError("mae"),
    "mean_absolute_error": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "mse": lambda: MeanSquaredError("mse"),
    "precision": Precision,
    "recall": Recall,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
}


def get(metric: Any, loss: Loss, width: int) -> Metric:
    """A metric by its name, or itself.

    Parameters
    ----------
    metric : str or Metric
        ``"accuracy"`` stands for the one that fits the loss and the outputs.
    loss : Loss
    width : int
        Number of outputs of a sample.

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is neither.
    """
    if metric in ("accuracy", "acc"):
        if isinstance(loss, (SparseCategoricalCrossentropy, CategoricalCrossentropy)):
            return SparseCategoricalAccuracy(metric)
        if isinstance(loss, BinaryCrossentropy) or width == 1:
            return BinaryAccuracy(metric)
        return CategoricalAccuracy(metric)
    found = resolve("metric", metric, _KNOWN)
    if not isinstance(found, Metric):
        raise TypeError(
            "a metric must be a name or one of keras.metrics, got "
            f"{type(found).__name__}"
        )
    return found
