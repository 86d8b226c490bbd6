"""Metrics under their Keras names; each stands for one of `tilewright.train`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import Tensor
from tilewright.keras.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Loss,
    SparseCategoricalCrossentropy,
)
from tilewright.keras.naming import resolve, snake_case
from tilewright.kernels.devices import to_host
from tilewright.train import metrics as native
from tilewright.train.metrics import MetricFunction

Array = NDArray[Any]
Native = MetricFunction | native.Metric


class Variable:
    """A number, or an array, that a metric of one's own gathers in."""

    def __init__(self, value: Array) -> None:
        self.value = value

    def assign(self, value: Any) -> None:
        """Set it."""
        self.value = np.asarray(_plain(value), np.float64).reshape(self.value.shape)

    def assign_add(self, value: Any) -> None:
        """Add to it."""
        self.assign(self.value + _plain(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype)

    def __float__(self) -> float:
        return float(self.value)

    def __add__(self, other: Any) -> Any:
        return self.value + _plain(other)

    def __truediv__(self, other: Any) -> Any:
        with np.errstate(all="ignore"):
            return self.value / _plain(other)


def _plain(value: Any) -> Array:
    return np.asarray(to_host(value.data if isinstance(value, Tensor) else value))


class Metric:
    """Base of metrics; one of one's own defines `update_state` and `result`.

    Parameters
    ----------
    name : str, optional
        In the history.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import keras
    >>> class Largest(keras.metrics.Metric):
    ...     def __init__(self, name="largest"):
    ...         super().__init__(name)
    ...         self.largest = self.add_weight(name="largest")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest.assign(max(float(self.largest), np.max(y_pred)))
    ...
    ...     def result(self):
    ...         return float(self.largest)
    >>> metric = Largest()
    >>> metric.update_state(None, np.array([3.0, 7.0]))
    >>> metric.result()
    7.0
    """

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        self.name = name or snake_case(type(self).__name__)
        self._own: native.Metric | None = None
        self._sums = (0.0, 0.0)
        self._variables: list[tuple[Variable, Array]] = []

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make what the metric gathers in; `reset_state` sets it back.

        Parameters
        ----------
        shape : tuple of int
        initializer : {"zeros", "ones"}
        dtype, name
            Of no effect.
        """
        if initializer not in ("zeros", "ones"):
            raise ValueError(
                f"{type(self).__name__}: initializer must be 'zeros' or 'ones', got "
                f"{initializer!r}"
            )
        begin = np.full(shape, float(initializer == "ones"))
        variable = Variable(begin.copy())
        self._variables.append((variable, begin))
        return variable

    add_variable = add_weight

    def make(self) -> Native:
        """The metric of ours, of probabilities and targets."""
        return _Gathering(self)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same again."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    # By hand, as Keras allows it.

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in targets and predictions.

        Parameters
        ----------
        y_true, y_pred : array_like, shape (N, ...)
        sample_weight : array_like, shape (N,), optional

        Raises
        ------
        ValueError
            If there are weights, and the metric is no mean over samples.
        """
        outputs, targets = _plain(y_pred), _plain(y_true)
        made = self.make()
        if isinstance(made, native.Metric):
            if sample_weight is not None:
                raise ValueError(f"{self.name}: takes no sample_weight")
            self._own = self._own or made
            self._own.update(outputs, targets)
            return
        values = by_sample(made(outputs, targets), len(targets))
        weights = sample_shares(sample_weight, values)
        total, count = self._sums
        self._sums = total + float(values @ weights), count + float(weights.sum())

    def result(self) -> float:
        """The number so far."""
        if self._own is not None:
            return self._own.result()
        total, count = self._sums
        return total / count if count else 0.0

    def reset_state(self) -> None:
        """Forget everything."""
        self._own, self._sums = None, (0.0, 0.0)
        for variable, begin in self._variables:
            variable.assign(begin)

    reset_states = reset_state


def by_sample(values: Any, size: int) -> Array:
    """One value each of the samples, whatever axes are behind the first."""
    array = np.asarray(_plain(values), np.float64)
    if not array.ndim:
        return np.full(size, float(array))
    return _mean(array) if array.ndim > 1 else array


def sample_shares(weights: Any, values: Array) -> Array:
    """Weights of samples as float64, 1 where none are given."""
    if weights is None:
        return np.ones(len(values))
    array = np.asarray(weights, np.float64)
    return _mean(array) if array.ndim > 1 else array


class _Gathering(native.Metric):
    """A metric of the user's own, as our trainer takes it."""

    takes_weights = True

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def reset(self) -> None:
        """Forget all batches."""
        self.metric.reset_state()

    def update(self, outputs: Any, targets: Any, weights: Any = None) -> None:
        """Take in one batch."""
        if weights is None:
            self.metric.update_state(targets, outputs)
        else:
            self.metric.update_state(targets, outputs, sample_weight=weights)

    def result(self) -> float:
        """The number so far."""
        return float(_plain(self.metric.result()))


class Mean(Metric):
    """The mean of numbers that are given by hand, such as losses of batches.

    Examples
    --------
    >>> from tilewright.keras import metrics
    >>> mean = metrics.Mean("loss")
    >>> for loss in (1.0, 3.0):
    ...     mean.update_state(loss)
    >>> mean.result()
    2.0
    """

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Take in a number, or an array of them."""
        given = _plain(values).astype(np.float64).reshape(-1)
        weights = np.ones(len(given))
        if sample_weight is not None:
            weights = np.broadcast_to(_plain(sample_weight).reshape(-1), given.shape)
        total, count = self._sums
        self._sums = total + float(given @ weights), count + float(weights.sum())


class FunctionMetric(Metric):
    """A function of the user's own, of (y_true, y_pred), and its mean."""

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None):
        super().__init__(name or getattr(function, "__name__", "metric"))
        self._function = function

    def make(self) -> Native:
        """One value a sample."""
        function = self._function
        return lambda outputs, targets: by_sample(
            function(Tensor(np.asarray(targets, np.float32)), Tensor(outputs)),
            len(outputs),
        )


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


def get(metric: Any, loss: Loss | None, width: int) -> Metric:
    """A metric by its name, or itself.

    Parameters
    ----------
    metric : str, Metric, or function of (y_true, y_pred)
        ``"accuracy"`` stands for the one that fits the loss and the outputs.
    loss : Loss or None
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
    if isinstance(found, type) and issubclass(found, Metric):
        return found()
    if isinstance(found, Metric):
        return found
    if not callable(found):
        raise TypeError(
            "a metric must be a name, a function or one of keras.metrics, got "
            f"{type(found).__name__}"
        )
    return FunctionMetric(found)
