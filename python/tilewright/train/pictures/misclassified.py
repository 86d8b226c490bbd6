"""The images that were classified wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tilewright.train.pictures import canvas


def misclassified(
    x: ArrayLike,
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str] | None = None,
    count: int = 24,
) -> Any:
    """The wrong answers that the network was surest of, the surest first.

    Parameters
    ----------
    x : array_like, shape (N, H, W, C)
        Images.
    labels : array_like of int, shape (N,)
        True class ids.
    probabilities : array_like, shape (N, K)
        What the network says of each class.
    classes : sequence of str, optional
        Names by class id.
    count : int, default 24
        How many at most.

    Returns
    -------
    matplotlib.figure.Figure
        Above each image its class and what it was taken for, with the probability.

    Raises
    ------
    ValueError
        If the shapes do not fit, or `count` is below 1.
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.train import pictures
    >>> x = np.zeros((2, 4, 4, 1))
    >>> figure = pictures.misclassified(x, [0, 1], [[0.9, 0.1], [0.8, 0.2]])
    >>> figure.axes[0].get_title()
    '1 taken for 0 (0.80)'
    """
    pixels = canvas.images("misclassified", x)
    truth = canvas.labels("misclassified", "labels", labels, len(pixels))
    shares = np.asarray(probabilities)
    if shares.ndim != 2 or len(shares) != len(pixels):
        raise ValueError(
            f"misclassified: probabilities must have shape ({len(pixels)}, K), got "
            f"{shares.shape}"
        )
    if count < 1:
        raise ValueError(f"misclassified: count must be >= 1, got {count}")
    guess = shares.argmax(axis=1)
    highest = 1 + max(int(truth.max()), shares.shape[1] - 1)
    names = canvas.class_names("misclassified", classes, highest)
    wrong = np.flatnonzero(guess != truth)
    sure = shares[wrong, guess[wrong]]
    shown = wrong[np.argsort(-sure, kind="stable")][:count]
    if not len(shown):
        figure = canvas.figure(4, 1)
        figure.text(0.5, 0.5, "every image is classified rightly", ha="center")
        return figure
    figure, axes = canvas.grid(len(shown), 6, 1.7)
    for axis, row in zip(axes, shown, strict=True):
        canvas.show(axis, pixels[row])
        axis.set_title(
            f"{names[truth[row]]} taken for {names[guess[row]]} "
            f"({shares[row, guess[row]]:.2f})",
            fontsize=7,
        )
    return figure
