"""Data sets as Keras returns them: arrays of uint8, training part first.

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import data
from tilewright.data import ArrayDataset

Array = NDArray[Any]
Parts = tuple[tuple[Array, Array], tuple[Array, Array]]


class _DataSet:
    """What Keras has a module for."""

    def __init__(
        self,
        load: Callable[[], tuple[ArrayDataset, ArrayDataset]],
        column: bool = False,
    ) -> None:
        self._load = load
        # Whether labels are (N, 1).
        self._column = column

    def load_data(self, path: str = "") -> Parts:
        """Read the data, downloading it where it is not on this machine yet.

        Parameters
        ----------
        path : str, optional
            Of no effect: the files are found as `tilewright.data` finds them.

        Returns
        -------
        (x_train, y_train), (x_test, y_test)
            Arrays of uint8.
        """
        train, test = (self._part(part) for part in self._load())
        return train, test

    def _part(self, part: ArrayDataset) -> tuple[Array, Array]:
        images = np.rint(part.x * np.float32(255)).astype(np.uint8)
        if images.shape[-1] == 1:
            images = images[..., 0]
        labels = part.y.astype(np.uint8)
        return images, labels[:, None] if self._column else labels


# Looked up when called, so that importing this module reads nothing.
mnist = _DataSet(lambda: data.mnist())
fashion_mnist = _DataSet(lambda: data.fashion_mnist())
cifar10 = _DataSet(lambda: data.cifar10(), column=True)
