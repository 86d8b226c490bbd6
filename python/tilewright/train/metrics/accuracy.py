"""Shares of samples that are right: one value a sample, averaged by the Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.kernels import checks

Array = NDArray[Any]


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
    _check("accuracy", outputs, targets)
    right: NDArray[np.bool_] = np.equal(outputs.argmax(axis=1), targets)
    return right


def binary_accuracy(
    outputs: Array, targets: Array, threshold: float = 0.5
) -> NDArray[np.bool_]:
    """Whether an output is on its target's side of a threshold.

    Parameters
    ----------
    outputs : ndarray, shape (N,) or (N, 1)
        Probabilities of class 1; logits with ``threshold=0``.
    targets : ndarray, of outputs' shape or (N,)
        0 or 1.
    threshold : float, default 0.5

    Returns
    -------
    ndarray of bool, shape (N,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import binary_accuracy
    >>> binary_accuracy(np.array([0.2, 0.7]), np.array([0, 0])).tolist()
    [True, False]
    """
    if outputs.size != len(outputs) or targets.size != outputs.size:
        raise ValueError(
            "binary_accuracy: expected outputs (N,) or (N, 1) and as many targets, got "
            f"{outputs.shape} and {targets.shape}"
        )
    yes = outputs.reshape(-1) > threshold
    right: NDArray[np.bool_] = np.equal(yes, targets.reshape(-1) > 0)
    return right


def top_k_accuracy(outputs: Array, targets: Array, k: int = 5) -> NDArray[np.bool_]:
    """Whether fewer than k classes have a larger output than the target class.

    Parameters
    ----------
    outputs : ndarray, shape (N, C)
        Logits or probabilities.
    targets : ndarray of int, shape (N,)
        Class ids.
    k : int, default 5

    Returns
    -------
    ndarray of bool, shape (N,)

    Raises
    ------
    ValueError
        If the shapes do not fit, or k is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import top_k_accuracy
    >>> outputs = np.array([[0.1, 0.3, 0.6], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(outputs, np.array([1, 2]), k=2).tolist()
    [True, False]
    """
    _check("top_k_accuracy", outputs, targets)
    k = checks.integer("top_k_accuracy", "k", k, 1)
    own = np.take_along_axis(outputs, targets[:, None], axis=1)
    right: NDArray[np.bool_] = (outputs > own).sum(axis=1) < k
    right &= np.isfinite(own[:, 0])
    return right


class TopKAccuracy:
    """:func:`top_k_accuracy` for a k, as the Trainer takes it.

    Parameters
    ----------
    k : int, default 5

    Raises
    ------
    ValueError
        If k is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import TopKAccuracy
    >>> top2 = TopKAccuracy(2)
    >>> top2.__name__
    'top_2_accuracy'
    >>> top2(np.array([[0.1, 0.3, 0.6]]), np.array([1])).tolist()
    [True]
    """

    def __init__(self, k: int = 5) -> None:
        self.k = checks.integer("TopKAccuracy", "k", k, 1)
        self.__name__ = f"top_{k}_accuracy"

    def __call__(self, outputs: Array, targets: Array) -> NDArray[np.bool_]:
        """One value a sample."""
        return top_k_accuracy(outputs, targets, self.k)


def _check(op: str, outputs: Array, targets: Array) -> None:
    if outputs.ndim != 2 or targets.shape != outputs.shape[:1]:
        raise ValueError(
            f"{op}: expected outputs (N, C) and targets (N,), got "
            f"{outputs.shape} and {targets.shape}"
        )
