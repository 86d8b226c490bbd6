"""Small helpers under their Keras names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilewright import random
from tilewright.keras import naming

__all__ = [
    "PyDataset",
    "Sequence",
    "clear_session",
    "set_random_seed",
    "to_categorical",
]


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[Any]:
    """Class ids as rows of zeros with a one.

    Parameters
    ----------
    x : array_like of int, shape (...) or (..., 1)
    num_classes : int, optional
        By default one more than the largest id.

    Returns
    -------
    ndarray of float64, shape (..., num_classes)

    Raises
    ------
    ValueError
        If an id is negative or too large.

    Examples
    --------
    >>> from tilewright.keras import utils
    >>> utils.to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    labels = np.asarray(x, dtype=np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    classes = num_classes or (int(labels.max()) + 1 if labels.size else 0)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"to_categorical: ids must be in [0, {classes}), got values in "
            f"[{labels.min()}, {labels.max()}]"
        )
    return np.eye(classes)[labels]


def set_random_seed(seed: int) -> None:
    """Set the seed of everything random, NumPy's own generator and Python's too.

    Parameters
    ----------
    seed : int
        In ``[0, 2**32)``.
    """
    import random as standard

    random.manual_seed(seed)
    np.random.seed(seed)
    standard.seed(seed)


def clear_session() -> None:
    """Give names such as ``dense_1`` anew; there is no other global state."""
    naming.reset()


class PyDataset:
    """Base of data sets that have batches by their numbers.

    A subclass defines ``__len__``, the number of batches, and ``__getitem__``, which
    returns ``(x, y)`` or ``(x, y, sample_weight)`` of one; `on_epoch_end` may prepare
    the next pass.

    Parameters
    ----------
    workers, use_multiprocessing, max_queue_size
        Of no effect: batches are made where they are needed.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import keras
    >>> class Ones(keras.utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def __getitem__(self, index):
    ...         return np.ones((4, 2)), np.ones(4)
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> len(model.fit(Ones(), epochs=2, verbose=0).epoch)
    2
    """

    def __init__(
        self,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__}: __len__ is not defined")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: __getitem__ is not defined")

    def on_epoch_end(self) -> None:
        """A pass is over."""


# Keras's earlier name.
Sequence = PyDataset
