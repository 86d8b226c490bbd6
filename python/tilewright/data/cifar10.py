"""CIFAR-10: small colour photographs of ten kinds of things.

By Alex Krizhevsky, Vinod Nair and Geoffrey Hinton
(https://www.cs.toronto.edu/~kriz/cifar.html). The binary edition is read, so that
nothing is unpickled.
"""

from __future__ import annotations

import io
import os
import tarfile

import numpy as np

from tilewright.data.dataset import ArrayDataset
from tilewright.data.published import PublishedFile, published_bytes

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

# SHA-256 as TensorFlow Datasets records it (url_checksums/cifar10.txt); the authors
# publish MD5.
FILES = (
    PublishedFile(
        "cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        (
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
        ),
    ),
)
_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)
_SIDE = 32
# A label, then the red, the green and the blue plane.
_RECORD = 1 + 3 * _SIDE * _SIDE


def cifar10(
    root: str | os.PathLike[str] | None = None,
) -> tuple[ArrayDataset, ArrayDataset]:
    """CIFAR-10's 50,000 training and 10,000 test images.

    Without `root` the archive ``cifar-10-binary.tar.gz`` comes from the ``cifar10``
    folder in ``TILEWRIGHT_DATA_DIR``, else from the cache, else it is downloaded there
    once (162 MB). Its SHA-256 is checked wherever it comes from. The classes are named
    in ``data.CIFAR10_CLASSES``.

    Parameters
    ----------
    root : path, optional
        Folder with the archive, or with a ``cifar10`` folder that has it.

    Returns
    -------
    train, test : ArrayDataset
        x (N, 32, 32, 3) float32 in [0, 1], red, green, blue; y (N,) int64.

    Raises
    ------
    FileNotFoundError
        If `root` lacks the archive.
    ValueError
        If it is another one, naming both checksums.
    DownloadError
        If no mirror delivered it.
    ImportError
        If a download is needed and pooch is not installed.

    References
    ----------
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical
    report, University of Toronto, 2009.

    Examples
    --------
    >>> from tilewright import data
    >>> train, test = data.cifar10()  # doctest: +SKIP
    >>> data.CIFAR10_CLASSES[3]
    'cat'
    """
    (content,) = published_bytes("cifar10", FILES, root)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        return _read(archive, _TRAIN), _read(archive, _TEST)


def _read(archive: tarfile.TarFile, names: tuple[str, ...]) -> ArrayDataset:
    x, y = [], []
    for name in names:
        member = archive.extractfile(f"{_FOLDER}/{name}")
        if member is None:
            raise ValueError(f"cifar10: {name} in the archive is no file")
        records = np.frombuffer(member.read(), np.uint8).reshape(-1, _RECORD)
        planes = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE)
        pixels = planes.transpose(0, 2, 3, 1)
        x.append(np.divide(pixels, np.float32(255), dtype=np.float32))
        y.append(records[:, 0].astype(np.int64))
    return ArrayDataset(np.ascontiguousarray(np.concatenate(x)), np.concatenate(y))
