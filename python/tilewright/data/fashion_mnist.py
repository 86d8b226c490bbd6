"""Fashion-MNIST: photographs of clothes in MNIST's format.

By Han Xiao, Kashif Rasul and Roland Vollgraf, Zalando SE
(https://github.com/zalandoresearch/fashion-mnist), under the MIT licence.
"""

from __future__ import annotations

import os

from tilewright.data.dataset import ArrayDataset
from tilewright.data.files import decompress
from tilewright.data.idx import parse_idx
from tilewright.data.mnist import from_bytes
from tilewright.data.published import PublishedFile, published_bytes

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
# SHA-256 of the packed files as TensorFlow Datasets records them
# (url_checksums/fashion_mnist.txt); of the two label files it was computed from the
# authors' repository as well. The authors publish MD5.
_CHECKSUMS = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}
FILES = tuple(
    PublishedFile(name, sha256, tuple(mirror + name for mirror in _MIRRORS))
    for name, sha256 in _CHECKSUMS.items()
)


def fashion_mnist(
    root: str | os.PathLike[str] | None = None,
) -> tuple[ArrayDataset, ArrayDataset]:
    """Fashion-MNIST's 60,000 training and 10,000 test images of clothes.

    Without `root` the four ``.gz`` files come from the ``fashion-mnist`` folder in
    ``TILEWRIGHT_DATA_DIR``, else from the cache, else they are downloaded there once
    (30 MB). The SHA-256 of each is checked wherever it comes from. The classes are
    named in ``data.FASHION_MNIST_CLASSES``.

    Parameters
    ----------
    root : path, optional
        Folder with the files, or with a ``fashion-mnist`` folder that has them.

    Returns
    -------
    train, test : ArrayDataset
        x (N, 28, 28, 1) float32 in [0, 1]; y (N,) int64.

    Raises
    ------
    FileNotFoundError
        If `root` lacks a file.
    ValueError
        If a file is another one, naming both checksums.
    DownloadError
        If no mirror delivered a file.
    ImportError
        If a download is needed and pooch is not installed.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
    Benchmarking Machine Learning Algorithms", https://arxiv.org/abs/1708.07747.

    Examples
    --------
    >>> from tilewright import data
    >>> train, test = data.fashion_mnist()  # doctest: +SKIP
    >>> data.FASHION_MNIST_CLASSES[9]
    'Ankle boot'
    """
    contents = published_bytes("fashion-mnist", FILES, root)
    arrays = [
        parse_idx(decompress(content, file.name), ndim, file.name)
        for file, content, ndim in zip(FILES, contents, (3, 1, 3, 1), strict=True)
    ]
    return from_bytes(arrays[0], arrays[1]), from_bytes(arrays[2], arrays[3])
