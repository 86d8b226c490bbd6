"""Counter-based random numbers: each is a function of a key and a counter alone.

Philox4x32-10 of J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC
2011. What is drawn for one element does not depend on what is drawn for others, nor
on the order, nor on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WORD = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def philox(
    seed: int, low: NDArray[np.uint64], high: int | NDArray[np.uint64] = 0
) -> NDArray[np.uint32]:
    """Return four words of 32 bits for each counter.

    Parameters
    ----------
    seed
        The key, in ``[0, 2**64)``.
    low : ndarray of uint64, shape (N,)
        The lower halves of the counters, which have 128 bits.
    high : int or ndarray of uint64, shape (N,), default 0
        The upper halves.

    Returns
    -------
    ndarray of uint32, shape (N, 4)

    Examples
    --------
    >>> import numpy as np
    >>> [hex(word) for word in philox(0, np.zeros(1, np.uint64))[0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    upper = np.broadcast_to(np.asarray(high, np.uint64), low.shape)
    # Words of 32 bits in 64, so that their products are whole.
    word0, word1 = low & _WORD, low >> _HALF
    word2, word3 = upper & _WORD, upper >> _HALF
    key0, key1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        product0 = np.uint64(0xD2511F53) * word0
        product2 = np.uint64(0xCD9E8D57) * word2
        word0 = (product2 >> _HALF) ^ word1 ^ np.uint64(key0)
        word2 = (product0 >> _HALF) ^ word3 ^ np.uint64(key1)
        word1, word3 = product2 & _WORD, product0 & _WORD
        key0 = (key0 + 0x9E3779B9) & 0xFFFFFFFF
        key1 = (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([word0, word1, word2, word3], axis=1).astype(np.uint32)


def uniform(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return numbers in ``[0, 1)``, multiples of 2**-24, one for each word.

    Examples
    --------
    >>> import numpy as np
    >>> uniform(np.array([0, 2**31], np.uint32))
    array([0. , 0.5])
    """
    numbers: NDArray[np.float64] = (words >> np.uint32(8)) * np.float64(2.0**-24)
    return numbers
