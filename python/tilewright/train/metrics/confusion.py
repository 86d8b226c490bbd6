"""The confusion matrix, and what follows from it: precision, recall and F1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tilewright.kernels import checks
from tilewright.train.metrics.metric import Metric

Array = NDArray[Any]
Counts = NDArray[np.int64]

_AVERAGES = ("macro", "micro", "weighted", "binary")


def confusion_matrix(
    outputs: Array, targets: Array, *, threshold: float = 0.5
) -> Counts:
    """How often each class was taken for each other one.

    Parameters
    ----------
    outputs : ndarray, shape (N, C), or (N,) or (N, 1)
        Logits or probabilities of the classes; or the probability of class 1.
    targets : ndarray of int, shape (N,)
        Class ids.
    threshold : float, default 0.5
        Above which class 1 is predicted, where outputs are (N,) or (N, 1).

    Returns
    -------
    ndarray of int64, shape (C, C)
        Rows are the true classes, columns the predicted ones.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a target is no class.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import confusion_matrix
    >>> outputs = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    >>> confusion_matrix(outputs, np.array([0, 1, 0]))
    array([[1, 1],
           [0, 1]])
    """
    op = "confusion_matrix"
    classes = 2
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        classes = outputs.shape[1]
        predicted = outputs.argmax(axis=1)
    elif outputs.ndim in (1, 2) and outputs.size == len(outputs):
        predicted = (outputs.reshape(-1) > threshold).astype(np.int64)
    else:
        raise ValueError(
            f"{op}: expected outputs (N, C), (N,) or (N, 1), got {outputs.shape}"
        )
    labels = targets.reshape(-1) if targets.size == len(targets) else targets
    if labels.shape != predicted.shape:
        raise ValueError(
            f"{op}: targets must be (N,) for outputs {outputs.shape}, "
            f"got {targets.shape}"
        )
    labels = labels.astype(np.int64)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"{op}: targets must be in [0, {classes}), got values in "
            f"[{labels.min()}, {labels.max()}]"
        )
    pairs = np.bincount(labels * classes + predicted, minlength=classes**2)
    return pairs.reshape(classes, classes).astype(np.int64)


class ConfusionMatrix:
    """:func:`confusion_matrix` over many batches.

    Parameters
    ----------
    threshold : float, default 0.5

    Attributes
    ----------
    matrix : ndarray of int64, shape (C, C)
        Empty before the first batch.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import ConfusionMatrix
    >>> counts = ConfusionMatrix()
    >>> for _ in range(2):
    ...     counts.update(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0]))
    >>> counts.matrix
    array([[2, 2],
           [0, 0]])
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = threshold
        self.matrix: Counts = np.zeros((0, 0), np.int64)

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in one batch; see :func:`confusion_matrix` for shapes and errors."""
        new = confusion_matrix(outputs, targets, threshold=self.threshold)
        self.matrix = self.matrix + new if self.matrix.size else new


class _FromConfusion(Metric):
    """A metric of the confusion matrix, averaged over classes."""

    default_name: ClassVar[str] = ""

    def __init__(
        self, average: str = "macro", *, threshold: float = 0.5, name: str | None = None
    ) -> None:
        self.name = self.default_name if name is None else name
        self.average = checks.choice(type(self).__name__, "average", average, _AVERAGES)
        self.threshold = threshold
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.matrix: Counts = np.zeros((0, 0), np.int64)

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in one batch; see :func:`confusion_matrix` for shapes and errors."""
        new = confusion_matrix(outputs, targets, threshold=self.threshold)
        self.matrix = self.matrix + new if self.matrix.size else new

    def result(self) -> float:
        """The number so far; a share of nothing counts as 0."""
        if not self.matrix.size:
            return float("nan")
        right = self.matrix.diagonal().astype(np.float64)
        predicted = self.matrix.sum(axis=0).astype(np.float64)
        actual = self.matrix.sum(axis=1).astype(np.float64)
        if self.average == "binary":
            if len(right) != 2:
                raise ValueError(
                    f"{type(self).__name__}: average='binary' needs 2 classes, got "
                    f"{len(right)}"
                )
            right, predicted, actual = right[1:], predicted[1:], actual[1:]
        elif self.average == "micro":
            right, predicted, actual = (
                np.array([v.sum()]) for v in (right, predicted, actual)
            )
        # A class that was neither there nor predicted says nothing.
        there = (predicted + actual) > 0
        if self.average != "binary":
            right, predicted, actual = right[there], predicted[there], actual[there]
        each = self._share(right, predicted, actual)
        if self.average == "weighted":
            return float(np.sum(each * actual) / actual.sum())
        return float(each.mean())

    def _share(self, right: Array, predicted: Array, actual: Array) -> Array:
        raise NotImplementedError


class Precision(_FromConfusion):
    """Share of what was predicted as a class that is of it.

    Parameters
    ----------
    average : {"macro", "micro", "weighted", "binary"}, default "macro"
        Mean over the classes that occur; over all samples; the mean weighted by the
        classes' sizes; or of class 1 alone.
    threshold : float, default 0.5
        Above which class 1 is predicted, where outputs are (N,) or (N, 1).
    name : str, default "precision"

    Raises
    ------
    ValueError
        If there is no such average.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import Precision
    >>> metric = Precision("binary")
    >>> metric.update(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    >>> metric.result()
    0.5
    """

    default_name = "precision"

    def _share(self, right: Array, predicted: Array, actual: Array) -> Array:
        return _ratio(right, predicted)


class Recall(_FromConfusion):
    """Share of a class that was predicted as it.

    Parameters
    ----------
    average : {"macro", "micro", "weighted", "binary"}, default "macro"
        As in :class:`Precision`.
    threshold : float, default 0.5
        Above which class 1 is predicted, where outputs are (N,) or (N, 1).
    name : str, default "recall"

    Raises
    ------
    ValueError
        If there is no such average.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import Recall
    >>> metric = Recall("binary")
    >>> metric.update(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    >>> metric.result()
    0.5
    """

    default_name = "recall"

    def _share(self, right: Array, predicted: Array, actual: Array) -> Array:
        return _ratio(right, actual)


class F1(_FromConfusion):
    """The harmonic mean of precision and recall.

    Parameters
    ----------
    average : {"macro", "micro", "weighted", "binary"}, default "macro"
        As in :class:`Precision`.
    threshold : float, default 0.5
        Above which class 1 is predicted, where outputs are (N,) or (N, 1).
    name : str, default "f1"

    Raises
    ------
    ValueError
        If there is no such average.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import F1
    >>> metric = F1("binary")
    >>> metric.update(np.array([0.9, 0.8, 0.1]), np.array([1, 0, 1]))
    >>> metric.result()
    0.5
    """

    default_name = "f1"

    def _share(self, right: Array, predicted: Array, actual: Array) -> Array:
        return _ratio(2 * right, predicted + actual)


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
