"""MNIST: all of it from disk or a mirror, and a sample that ships with the package.

MNIST is by Yann LeCun, Corinna Cortes and Christopher Burges
(http://yann.lecun.com/exdb/mnist/), licensed CC BY-SA 3.0.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tilewright.data.dataset import ArrayDataset
from tilewright.data.files import cache_dir, decompress, download, verified
from tilewright.data.idx import parse_idx

# SHA-256 of the decompressed files.
CHECKSUMS = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

_SAMPLE = Path(__file__).with_name("mnist_sample.npz")


def mnist(
    root: str | os.PathLike[str] | None = None,
) -> tuple[ArrayDataset, ArrayDataset]:
    """MNIST's 60,000 training and 10,000 test images of handwritten digits.

    Without `root` the files come from the ``mnist`` folder in
    ``TILEWRIGHT_DATA_DIR``, else from the cache (``TILEWRIGHT_CACHE_DIR``, or the
    platform's cache folder), else they are downloaded there once. The SHA-256 of
    each file is checked wherever it comes from.

    Parameters
    ----------
    root : path, optional
        Folder with the four IDX files, ``.gz`` or not, or with a ``mnist`` folder
        that has them.

    Returns
    -------
    train, test : ArrayDataset
        x (N, 28, 28, 1) float32 in [0, 1], white digits on black; y (N,) int64.

    Raises
    ------
    FileNotFoundError
        If `root` has no MNIST, or a folder has only some of the files.
    ValueError
        If a file is not MNIST's, naming both checksums.
    DownloadError
        If no mirror delivered a file; nothing wrong is kept.
    ImportError
        If a download is needed and pooch is not installed.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
    document recognition", Proceedings of the IEEE 86 (11), 1998.

    Examples
    --------
    >>> from tilewright import data
    >>> if data.mnist_folder():
    ...     train, test = data.mnist()
    ...     assert train.x.shape == (60000, 28, 28, 1)
    """
    if root is not None:
        folder = _folder_with_files(Path(root).expanduser())
        if folder is None:
            names = ", ".join(CHECKSUMS)
            raise FileNotFoundError(
                f"mnist: {root} has none of the files {names} (.gz or not)"
            )
    else:
        folder = mnist_folder()
        if folder is None:
            folder = _download()
    return load_mnist_format(folder, CHECKSUMS)


def mnist_folder() -> Path | None:
    """Folder from which `mnist` would read without a network.

    Returns
    -------
    Path or None
        None where MNIST is not on this machine yet.
    """
    named = os.environ.get("TILEWRIGHT_DATA_DIR")
    if named:
        folder = _folder_with_files(Path(named).expanduser() / "mnist")
        if folder is not None:
            return folder
    try:
        cached = cache_dir() / "mnist"
    except ImportError:
        return None
    complete = all(_find(cached, name) for name in CHECKSUMS)
    return cached if complete else None


def mnist_sample() -> tuple[ArrayDataset, ArrayDataset]:
    """6,000 training and 1,000 test images of MNIST, shipped with the package.

    600 and 100 images of each digit, from the training and the test set
    respectively, evenly spaced through each and in the original order.

    Returns
    -------
    train, test : ArrayDataset
        x (N, 28, 28, 1) float32 in [0, 1]; y (N,) int64.

    Examples
    --------
    >>> from tilewright import data
    >>> train, test = data.mnist_sample()
    >>> train.x.shape, len(test)
    ((6000, 28, 28, 1), 1000)
    """
    with np.load(_SAMPLE) as arrays:
        train = from_bytes(arrays["train_images"], arrays["train_labels"])
        test = from_bytes(arrays["test_images"], arrays["test_labels"])
    return train, test


def has_mnist_format(folder: Path) -> bool:
    """Whether a folder has a file named as MNIST's are."""
    return _folder_with_files(folder) is not None


def load_mnist_format(
    folder: Path, checksums: dict[str, str] | None = None
) -> tuple[ArrayDataset, ArrayDataset]:
    """Read four IDX files that are named and laid out as MNIST's.

    Parameters
    ----------
    folder : Path
        Holds the files, ``.gz`` or not, or a ``mnist`` folder with them.
    checksums : dict of str to str, optional
        SHA-256 of the decompressed files by name; not checked without.

    Returns
    -------
    train, test : ArrayDataset
        x (N, H, W, 1) float32 in [0, 1]; y (N,) int64.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, is not of this format, has the wrong checksum, or
        images and labels differ in number.
    """
    folder = _folder_with_files(folder) or folder
    arrays = []
    for name in CHECKSUMS:
        path = _find(folder, name)
        if path is None:
            raise FileNotFoundError(f"{folder}: {name} (.gz or not) is missing")
        content = path.read_bytes()
        if checksums is None:
            raw = decompress(content, str(path))
        else:
            raw = verified(content, checksums[name], str(path))
        arrays.append(parse_idx(raw, 3 if "images" in name else 1, str(path)))
    for images, labels in ((arrays[0], arrays[1]), (arrays[2], arrays[3])):
        if len(images) != len(labels):
            raise ValueError(f"{folder}: {len(images)} images but {len(labels)} labels")
    return from_bytes(arrays[0], arrays[1]), from_bytes(arrays[2], arrays[3])


def _find(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    return None


def _folder_with_files(root: Path) -> Path | None:
    """`root` or its ``mnist`` folder, whichever has any of the files."""
    for folder in (root, root / "mnist"):
        if any(_find(folder, name) for name in CHECKSUMS):
            return folder
    return None


def _download() -> Path:
    folder = cache_dir() / "mnist"
    for name, sha256 in CHECKSUMS.items():
        if _find(folder, name) is None:
            urls = [f"{mirror}{name}.gz" for mirror in MIRRORS]
            download(f"mnist: {name}", urls, sha256, folder / name)
    return folder


def from_bytes(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> ArrayDataset:
    """Data set of grey images and labels in bytes.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W)
    labels : ndarray of uint8, shape (N,)

    Returns
    -------
    ArrayDataset
        x (N, H, W, 1) float32 in [0, 1]; y (N,) int64.
    """
    x = np.divide(images[..., np.newaxis], np.float32(255), dtype=np.float32)
    return ArrayDataset(x, labels.astype(np.int64))
