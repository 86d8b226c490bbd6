"""Training and test parts in which the classes have the same shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.data.dataset import ArrayDataset
from tilewright.extras import require

Rows = NDArray[np.int64]


def split(
    dataset: ArrayDataset,
    test_size: float = 0.2,
    *,
    stratify: bool = True,
    seed: int = 0,
) -> tuple[ArrayDataset, ArrayDataset]:
    """Split a data set at random, by scikit-learn's ``train_test_split``.

    Parameters
    ----------
    dataset : ArrayDataset
    test_size : float, default 0.2
        Share of the samples in the second part, in ``(0, 1)``.
    stratify : bool, default True
        Whether each class has the same share in both parts; y is then class ids.
    seed : int, default 0
        Decides which samples, in ``[0, 2**32)``.

    Returns
    -------
    first, second : ArrayDataset
        Copies, in the order of the data set. The first keeps the transform, for it is
        trained on; the second has none.

    Raises
    ------
    ValueError
        If `test_size` is out of range, y is no class ids, or a class has fewer than
        two samples.
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import data
    >>> dataset = data.ArrayDataset(np.zeros((50, 3)), np.arange(50) % 5)
    >>> train, test = data.split(dataset)
    >>> len(train), np.bincount(test.y).tolist()
    (40, [2, 2, 2, 2, 2])
    """
    labels = None
    if stratify:
        labels = dataset.y
        if labels.ndim != 1 or labels.dtype.kind not in "iub":
            raise ValueError(
                f"split: stratify needs class ids (N,), got {labels.dtype} of shape "
                f"{labels.shape}; pass stratify=False"
            )
    first, second = split_rows("split", len(dataset), test_size, labels, seed)
    test = dataset.subset(second)
    test.transform = None
    return dataset.subset(first), test


def split_rows(
    op: str,
    size: int,
    test_size: float,
    labels: NDArray[Any] | None,
    seed: int,
) -> tuple[Rows, Rows]:
    """Row numbers of two parts, each in rising order.

    Parameters
    ----------
    op : str
        Named in errors.
    size : int
        Number of rows.
    test_size : float
    labels : ndarray, shape (N,), optional
        Classes that get the same share in both parts.
    seed : int

    Returns
    -------
    first, second : ndarray of int64
    """
    if not 0 < test_size < 1:
        raise ValueError(f"{op}: test_size must be in (0, 1), got {test_size}")
    selection = require("sklearn.model_selection", extra="sklearn")
    try:
        first, second = selection.train_test_split(
            np.arange(size), test_size=test_size, stratify=labels, random_state=seed
        )
    except ValueError as error:
        raise ValueError(f"{op}: {error}") from error
    return np.sort(first), np.sort(second)
