"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tilewright.train.pictures import canvas

_LARGEST_WITH_NUMBERS = 20


def confusion_matrix(
    labels: ArrayLike, predicted: ArrayLike, classes: Sequence[str] | None = None
) -> Any:
    """How often each class was taken for each; errors have a colour of their own.

    Colours are shares of the true class: errors would not be seen beside 99% that are
    right, so they have a scale of their own.

    Parameters
    ----------
    labels : array_like of int, shape (N,)
        True class ids.
    predicted : array_like of int, shape (N,)
    classes : sequence of str, optional
        Names by class id.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If these are no class ids, or of different numbers.
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> from tilewright.train import pictures
    >>> figure = pictures.confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2])
    >>> figure.axes[0].get_xlabel()
    'predicted'
    """
    truth = canvas.labels("confusion_matrix", "labels", labels)
    guess = canvas.labels("confusion_matrix", "predicted", predicted, len(truth))
    if not len(truth) or min(truth.min(), guess.min()) < 0:
        raise ValueError("confusion_matrix: expected at least one sample and ids >= 0")
    count = 1 + int(max(truth.max(), guess.max()))
    names = canvas.class_names("confusion_matrix", classes, count)
    count = len(names)
    table = np.bincount(truth * count + guess, minlength=count * count)
    table = table.reshape(count, count)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    right = np.eye(count, dtype=bool)

    size = min(2.6 + 0.42 * count, 14)
    figure = canvas.figure(size + 0.6, size)
    axis = figure.subplots()
    axis.imshow(np.where(right, shares, np.nan), cmap="Blues", vmin=0, vmax=1.6)
    errors = np.where(right, np.nan, shares)
    worst = max(float(np.nanmax(errors, initial=0)), 1e-9)
    drawn = axis.imshow(errors, cmap="Reds", vmin=0, vmax=worst)
    figure.colorbar(drawn, label="share of the true class, errors", shrink=0.8)
    if count <= _LARGEST_WITH_NUMBERS:
        for row, column in zip(*np.nonzero(table), strict=True):
            dark = row != column and shares[row, column] > 0.6 * worst
            axis.text(
                column,
                row,
                str(table[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
            )
    turned = max(map(len, names)) > 3
    axis.set_xticks(range(count), names, rotation=45 if turned else 0)
    if turned:
        for label in axis.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axis.set_yticks(range(count), names)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true class")
    return figure
