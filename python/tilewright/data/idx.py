"""The IDX file format of MNIST, read strictly.

A file is two zero bytes, a type code, the number of dimensions, each dimension as
a big-endian 32-bit integer, then the elements in C order
(http://yann.lecun.com/exdb/mnist/). MNIST and its relatives use unsigned bytes only.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

_UNSIGNED_BYTE = 0x08


def parse_idx(data: bytes, ndim: int, source: str) -> NDArray[np.uint8]:
    """Array held in the bytes of one IDX file.

    Parameters
    ----------
    data : bytes
        The whole file, not compressed.
    ndim : int
        Dimensions expected: 3 for images, 1 for labels.
    source : str
        Name used in errors.

    Returns
    -------
    ndarray of uint8, with `ndim` axes
        A read-only view of `data`.

    Raises
    ------
    ValueError
        If the magic number, the dimensions or the length are not as expected.

    Examples
    --------
    >>> from tilewright.data.idx import parse_idx
    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1, "labels").tolist()
    [7, 9]
    """
    expected = bytes([0, 0, _UNSIGNED_BYTE, ndim])
    if data[:4] != expected:
        raise ValueError(
            f"{source}: not an IDX file of unsigned bytes with {ndim} dimensions: "
            f"expected magic {expected.hex()}, got {data[:4].hex() or 'nothing'}"
        )
    header = 4 + 4 * ndim
    if len(data) < header:
        raise ValueError(
            f"{source}: cut short: the header has {header} bytes, got {len(data)}"
        )
    # Python integers: a hostile header cannot overflow the product.
    shape = tuple(
        int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(ndim)
    )
    if len(data) != header + prod(shape):
        raise ValueError(
            f"{source}: wrong length: shape {shape} needs {header + prod(shape)} "
            f"bytes, got {len(data)}"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
