"""Data sets held in memory as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Batch = tuple[Array, Array]


class ArrayDataset:
    """Inputs and targets of the same length, kept as two NumPy arrays.

    Parameters
    ----------
    x : array_like, shape (N, ...)
        Inputs; images are ``(N, H, W, C)``.
    y : array_like, shape (N,) or (N, ...)
        Targets; class ids are int64 or int32.

    Raises
    ------
    ValueError
        If an array is 0-d or the two lengths differ.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.data import ArrayDataset
    >>> pairs = ArrayDataset(np.zeros((5, 28, 28, 1), np.float32), np.arange(5))
    >>> len(pairs)
    5
    >>> x, y = pairs[1:3]
    >>> x.shape, y.tolist()
    ((2, 28, 28, 1), [1, 2])
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        self.x: Array = np.asarray(x)
        self.y: Array = np.asarray(y)
        for name, array in (("x", self.x), ("y", self.y)):
            if array.ndim == 0:
                raise ValueError(
                    f"ArrayDataset: {name} must have a first axis over the samples, "
                    "got a 0-d array"
                )
        if len(self.x) != len(self.y):
            raise ValueError(
                f"ArrayDataset: x has {len(self.x)} samples but y has {len(self.y)} "
                f"(x: {self.x.shape}, y: {self.y.shape})"
            )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int | slice | Array) -> Batch:
        """Sample, slice or gathered rows, as ``(x, y)``; a slice is a view."""
        return self.x[index], self.y[index]

    def subset(self, indices: ArrayLike) -> ArrayDataset:
        """Data set of the given rows, copied.

        Parameters
        ----------
        indices : array_like of int, shape (M,)
            Row numbers, each in ``[0, N)``.

        Returns
        -------
        ArrayDataset
            M samples in the order of `indices`.
        """
        rows = np.asarray(indices, dtype=np.int64)
        return ArrayDataset(self.x[rows], self.y[rows])

    def __repr__(self) -> str:
        return (
            f"ArrayDataset(x: {self.x.shape} {self.x.dtype}, "
            f"y: {self.y.shape} {self.y.dtype})"
        )
