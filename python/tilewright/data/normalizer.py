"""Inputs brought to mean 0 and variance 1, as the training part shows them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.data.dataset import Array, ArrayDataset, Batch, Visit
from tilewright.extras import require

_ROWS_AT_A_TIME = 4096


class Normalizer:
    """Subtract each channel's mean and divide by its standard deviation.

    It is fitted on the training part and applied to every part, so that nothing of
    the test data reaches the training. The last axis has the channels or features.

    Attributes
    ----------
    mean, std : ndarray of float32, shape (C,)
        A channel that never changes has the standard deviation 1.

    Raises
    ------
    ValueError
        If the training part is empty or has NaN or infinity in it.
    ImportError
        If scikit-learn, whose StandardScaler does the counting, is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import data
    >>> train = data.ArrayDataset(np.array([[0.0], [2.0]], np.float32), np.zeros(2))
    >>> normalizer = data.Normalizer(train)
    >>> normalizer.apply(train).x.tolist()
    [[-1.0], [1.0]]
    """

    # A batch depends on nothing else: a loader may make it at any time.
    repeatable = True

    def __init__(self, train: ArrayDataset) -> None:
        preprocessing = require("sklearn.preprocessing", extra="sklearn")
        if train.x.ndim < 2 or not train.x.size:
            raise ValueError(
                "Normalizer: expected inputs (N, ..., C) with at least one sample, got "
                f"shape {train.x.shape}"
            )
        scaler: Any = preprocessing.StandardScaler()
        for start in range(0, len(train), _ROWS_AT_A_TIME):
            # A piece at a time: the inputs may be mapped from a file.
            piece = np.asarray(train.x[start : start + _ROWS_AT_A_TIME], np.float64)
            if not np.isfinite(piece).all():
                raise ValueError("Normalizer: the inputs have NaN or infinity in them")
            scaler.partial_fit(piece.reshape(-1, piece.shape[-1]))
        self.mean: NDArray[np.float32] = scaler.mean_.astype(np.float32)
        self.std: NDArray[np.float32] = scaler.scale_.astype(np.float32)

    def normalize(self, x: Array) -> NDArray[np.float32]:
        """Return normalised inputs.

        Parameters
        ----------
        x : ndarray, shape (N, ..., C)

        Returns
        -------
        ndarray of float32, the same shape

        Raises
        ------
        ValueError
            If it has another number of channels.
        """
        if x.ndim < 2 or x.shape[-1] != len(self.mean):
            raise ValueError(
                f"Normalizer: expected inputs (N, ..., {len(self.mean)}), got shape "
                f"{x.shape}"
            )
        centred: NDArray[np.float32] = np.subtract(x, self.mean, dtype=np.float32)
        centred /= self.std
        return centred

    def apply(self, dataset: ArrayDataset) -> ArrayDataset:
        """Return a data set with its inputs normalised, and the same transform."""
        return ArrayDataset(self.normalize(dataset.x), dataset.y, dataset.transform)

    def __call__(self, x: Array, y: Array, visit: Visit | Any) -> Batch:
        """Normalise a batch: a transform, and a step of an `Augmentation`."""
        return self.normalize(x), y

    def __repr__(self) -> str:
        return f"Normalizer(mean={self.mean.tolist()}, std={self.std.tolist()})"
