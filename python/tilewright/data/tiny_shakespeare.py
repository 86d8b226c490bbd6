"""Text, character by character: the plays of Shakespeare, or one's own.

The 1.1 MB of plays, in the public domain, were put together by Andrej Karpathy
(https://github.com/karpathy/char-rnn).
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilewright.data.dataset import ArrayDataset
from tilewright.data.published import PublishedFile, published_bytes

# SHA-256 computed from the author's repository.
FILES = (
    PublishedFile(
        "input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        (
            "https://raw.githubusercontent.com/karpathy/char-rnn/"
            "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
            "https://raw.githubusercontent.com/jcjohnson/torch-rnn/master/data/"
            "tiny-shakespeare.txt",
        ),
    ),
)


class TextData(NamedTuple):
    """Training and test windows of a text, and its characters.

    Attributes
    ----------
    train, test : ArrayDataset
        x (N, T) int64 character numbers; y (N, T) the same one character further.
    vocabulary : str
        The characters, by number.
    """

    train: ArrayDataset
    test: ArrayDataset
    vocabulary: str

    def encode(self, text: str) -> NDArray[np.int64]:
        """Numbers of the characters of a text, shape (len(text),).

        Raises
        ------
        ValueError
            If a character is not in the vocabulary.
        """
        return _encode(text, self.vocabulary)

    def decode(self, numbers: ArrayLike) -> str:
        """Text that a row of character numbers stands for."""
        return "".join(self.vocabulary[number] for number in np.asarray(numbers))


def tiny_shakespeare(
    steps: int = 64, root: str | os.PathLike[str] | None = None
) -> TextData:
    """1.1 million characters of Shakespeare's plays, to learn the next one from.

    Without `root` the file ``input.txt`` comes from the ``tiny-shakespeare`` folder in
    ``TILEWRIGHT_DATA_DIR``, else from the cache, else it is downloaded there once
    (1.1 MB). Its SHA-256 is checked wherever it comes from. The first 90 percent are
    for training.

    Parameters
    ----------
    steps : int, default 64
        T, characters in a window; windows do not overlap.
    root : path, optional
        Folder with the file, or with a ``tiny-shakespeare`` folder that has it.

    Returns
    -------
    TextData

    Raises
    ------
    FileNotFoundError
        If `root` lacks the file.
    ValueError
        If it is another one, naming both checksums, or `steps` is below 1.
    DownloadError
        If no mirror delivered it.
    ImportError
        If a download is needed and pooch is not installed.

    References
    ----------
    A. Karpathy, "The Unreasonable Effectiveness of Recurrent Neural Networks", 2015,
    https://karpathy.github.io/2015/05/21/rnn-effectiveness/.
    """
    (content,) = published_bytes("tiny-shakespeare", FILES, root)
    return character_data(content.decode("ascii"), steps)


def character_data(text: str, steps: int = 64, test_size: float = 0.1) -> TextData:
    """Windows of a text, to learn the next character from.

    Parameters
    ----------
    text : str
    steps : int, default 64
        T, characters in a window; windows do not overlap.
    test_size : float, default 0.1
        Share of the text, at its end, that is kept for the test.

    Returns
    -------
    TextData
        The vocabulary has every character of the text, in the order of their codes.

    Raises
    ------
    ValueError
        If `steps` is below 1, `test_size` outside of (0, 1), or a part is shorter
        than one window and the character after it.

    Examples
    --------
    >>> from tilewright import data
    >>> text = data.character_data("to be or not to be, " * 20, steps=8)
    >>> text.train.x.shape, text.vocabulary
    ((44, 8), ' ,benort')
    >>> text.decode(text.train.x[0]), text.decode(text.train.y[0])
    ('to be or', 'o be or ')
    """
    if steps < 1:
        raise ValueError(f"character_data: steps must be >= 1, got {steps}")
    if not 0 < test_size < 1:
        raise ValueError(
            f"character_data: test_size must be in (0, 1), got {test_size}"
        )
    vocabulary = "".join(sorted(set(text)))
    cut = round(len(text) * (1 - test_size))
    parts = []
    for name, part in (("training", text[:cut]), ("test", text[cut:])):
        if len(part) <= steps:
            raise ValueError(
                f"character_data: the {name} part has {len(part)} characters, but a "
                f"window needs {steps + 1}"
            )
        numbers = _encode(part, vocabulary)
        count = (len(numbers) - 1) // steps
        x = numbers[: count * steps].reshape(count, steps)
        y = numbers[1 : count * steps + 1].reshape(count, steps)
        parts.append(ArrayDataset(x, y))
    return TextData(parts[0], parts[1], vocabulary)


def _encode(text: str, vocabulary: str) -> NDArray[np.int64]:
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    known = np.frombuffer(vocabulary.encode("utf-32-le"), np.uint32)
    numbers = np.searchsorted(known, codes)
    wrong = known.take(numbers, mode="clip") != codes
    if wrong.any():
        character = text[int(wrong.argmax())]
        raise ValueError(f"encode: {character!r} is not in the vocabulary")
    return numbers.astype(np.int64)
