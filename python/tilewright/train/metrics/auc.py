"""The area under the ROC curve, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.train.metrics.metric import Metric

Array = NDArray[Any]


class AUC(Metric):
    """Area under the ROC curve; for several classes the mean of one against the rest.

    It is the probability that a sample of the class has a larger output than one of
    the others, ties counted half. All outputs of an epoch are kept, for it is exact.

    Parameters
    ----------
    from_logits : bool, default True
        Whether outputs (N, C) are logits and not probabilities. For outputs (N,) it
        makes no difference.
    name : str, default "auc"

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train.metrics import AUC
    >>> metric = AUC()
    >>> metric.update(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    >>> metric.result()
    0.75
    """

    def __init__(self, *, from_logits: bool = True, name: str = "auc") -> None:
        self.name = name
        self.from_logits = from_logits
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.outputs: list[Array] = []
        self.targets: list[Array] = []

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in one batch.

        Parameters
        ----------
        outputs : ndarray, shape (N, C), or (N,) or (N, 1)
        targets : ndarray of int, shape (N,)

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        if outputs.ndim not in (1, 2) or targets.size != len(outputs):
            raise ValueError(
                "AUC: expected outputs (N, C), (N,) or (N, 1) and targets (N,), got "
                f"{outputs.shape} and {targets.shape}"
            )
        # Copies: the next step may overwrite the model's outputs.
        rows = outputs if outputs.ndim == 2 else outputs[:, None]
        self.outputs.append(np.array(rows))
        self.targets.append(np.array(targets).reshape(-1))

    def result(self) -> float:
        """The area so far; NaN where a class, or the rest, is missing."""
        if not self.targets:
            return float("nan")
        outputs, targets = np.concatenate(self.outputs), np.concatenate(self.targets)
        if outputs.shape[1] == 1:
            return _area(outputs[:, 0], targets > 0)
        scores = outputs.astype(np.float64)
        if self.from_logits:
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores /= scores.sum(axis=1, keepdims=True)
        if scores.shape[1] == 2:
            return _area(scores[:, 1], targets == 1)
        areas = [_area(scores[:, k], targets == k) for k in range(scores.shape[1])]
        return float(np.mean(areas))


def _area(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Mann and Whitney's statistic: the sum of the positives' ranks, normalised."""
    yes = int(positive.sum())
    no = positive.size - yes
    if not (yes and no) or np.isnan(scores).any():
        return float("nan")
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = ranks[where.reshape(-1)][positive].sum()
    return float((total - yes * (yes + 1) / 2) / (yes * no))
