"""Data sets as NumPy arrays, in memory or mapped from files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Batch = tuple[Array, Array]


class Visit(NamedTuple):
    """Which samples are read, and in which pass: what makes random changes repeatable.

    Attributes
    ----------
    dataset : ArrayDataset
        The data set that is read.
    rows : ndarray of int64, shape (B,)
        Row numbers of the samples.
    seed : int
        Of the loader.
    epoch : int
        Number of the pass.
    """

    dataset: ArrayDataset
    rows: NDArray[np.int64]
    seed: int
    epoch: int


# A batch and which it is -> the batch to train on; data.augmentation has some.
Transform = Callable[[Array, Array, Visit], Batch]


class ArrayDataset:
    """Inputs and targets of the same length, kept as two NumPy arrays.

    The arrays are not copied: memory maps (`np.memmap`, ``np.load(...,
    mmap_mode="r")``) stay on disk, and only the rows of a batch are read.

    Parameters
    ----------
    x : array_like, shape (N, ...)
        Inputs; images are ``(N, H, W, C)``.
    y : array_like, shape (N,) or (N, ...)
        Targets; class ids are int64 or int32.
    transform : callable, optional
        From ``(x, y, visit)`` of a batch to the ``(x, y)`` that a `DataLoader` hands
        out, such as `data.Augmentation`. Indexing gives the samples as they are.

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

    def __init__(
        self, x: ArrayLike, y: ArrayLike, transform: Transform | None = None
    ) -> None:
        self.x: Array = np.asarray(x)
        self.y: Array = np.asarray(y)
        self.transform = transform
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

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What a loader gathers rows of."""
        return self.x, self.y

    def batch(
        self,
        arrays: tuple[Array, ...],
        rows: NDArray[np.int64],
        seed: int,
        epoch: int,
    ) -> Batch:
        """A batch of rows that were gathered of `arrays`; see `transformed`."""
        x, y = arrays
        return self.transformed(x, y, rows, seed, epoch)

    def __getitem__(self, index: int | slice | Array) -> Batch:
        """Sample, slice or gathered rows, as ``(x, y)``; a slice is a view."""
        return self.x[index], self.y[index]

    @classmethod
    def from_npy(
        cls,
        x: str | os.PathLike[str],
        y: str | os.PathLike[str],
        transform: Transform | None = None,
    ) -> ArrayDataset:
        """Data set in two ``.npy`` files, mapped rather than read.

        The files may be larger than memory. Write such files piece by piece into
        ``np.lib.format.open_memmap(path, "w+", dtype, shape)``.

        Parameters
        ----------
        x, y : path
        transform : callable, optional
            As for the class; ``data.Augmentation(data.augmentation.Rescale(1 / 255))``
            makes float32 of bytes, batch by batch.

        Returns
        -------
        ArrayDataset

        Raises
        ------
        FileNotFoundError
            If a file is missing.
        ValueError
            If a file is no ``.npy`` file or holds Python objects, or the two lengths
            differ.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> from tilewright.data import ArrayDataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     x, y = os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy")
        ...     np.save(x, np.zeros((6, 28, 28, 1), np.uint8))
        ...     np.save(y, np.arange(6))
        ...     dataset = ArrayDataset.from_npy(x, y)
        >>> dataset
        ArrayDataset(x: (6, 28, 28, 1) uint8, y: (6,) int64)
        """
        arrays = []
        for path in (x, y):
            try:
                arrays.append(np.lib.format.open_memmap(os.fspath(path), "r"))
            except ValueError as error:
                raise ValueError(f"ArrayDataset: {path}: {error}") from error
        return cls(arrays[0], arrays[1], transform)

    def gather(
        self, rows: slice | NDArray[np.int64], seed: int = 0, epoch: int = 0
    ) -> Batch:
        """Samples as a `DataLoader` hands them out, through the transform.

        Parameters
        ----------
        rows : slice or ndarray of int64, shape (B,)
            A slice without a transform gives views, anything else copies.
        seed, epoch : int
            What the transform's random numbers depend on, beside the row number.

        Returns
        -------
        x, y : ndarray, shape (B, ...)
        """
        if isinstance(rows, slice):
            x, y = self.x[rows], self.y[rows]
            rows = np.arange(*rows.indices(len(self)), dtype=np.int64)
        else:
            x, y = self.x.take(rows, axis=0), self.y.take(rows, axis=0)
        return self.transformed(x, y, rows, seed, epoch)

    def transformed(
        self, x: Array, y: Array, rows: NDArray[np.int64], seed: int, epoch: int
    ) -> Batch:
        """Samples that have been gathered, through the transform if there is one.

        Parameters
        ----------
        x, y : ndarray, shape (B, ...)
        rows : ndarray of int64, shape (B,)
            Their row numbers.
        seed, epoch : int
            As for `gather`.

        Returns
        -------
        x, y : ndarray, shape (B, ...)
        """
        if self.transform is None:
            return x, y
        return self.transform(x, y, Visit(self, rows, seed, epoch))

    def subset(self, indices: ArrayLike) -> ArrayDataset:
        """Data set of the given rows, copied.

        Parameters
        ----------
        indices : array_like of int, shape (M,)
            Row numbers, each in ``[0, N)``.

        Returns
        -------
        ArrayDataset
            M samples in the order of `indices`, with the same transform.
        """
        rows = np.asarray(indices, dtype=np.int64)
        return ArrayDataset(self.x[rows], self.y[rows], self.transform)

    def __repr__(self) -> str:
        return (
            f"ArrayDataset(x: {self.x.shape} {self.x.dtype}, "
            f"y: {self.y.shape} {self.y.dtype})"
        )
