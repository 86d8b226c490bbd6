"""Which part of an image decided, by hiding one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilewright import kernels, nn
from tilewright.autograd import no_grad
from tilewright.train.evaluating import evaluating
from tilewright.train.pictures import canvas, outputs


def occlusion(
    model: nn.Module,
    x: ArrayLike,
    classes: ArrayLike | None = None,
    *,
    size: int | None = None,
    stride: int | None = None,
    fill: float | None = None,
) -> NDArray[np.float32]:
    """How much of a class's probability is lost when a part of the image is hidden.

    Parameters
    ----------
    model : Module
        From images to logits.
    x : array_like, shape (N, H, W, C)
    classes : array_like of int, shape (N,), optional
        Whose probabilities; by default those that the model predicts.
    size : int, optional
        Side of the square that hides; by default a fifth of the image.
    stride : int, optional
        How far it moves; by default a half of its side.
    fill : float, optional
        What it is filled with; by default the least value in `x`.

    Returns
    -------
    ndarray of float32, shape (N, H, W)
        Mean loss over the squares that cover a pixel; negative where the class gains.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a size is out of range.

    References
    ----------
    M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", 2014,
    https://arxiv.org/abs/1311.2901, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.train import pictures
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(81, 2))
    >>> pictures.occlusion(model, np.ones((3, 9, 9, 1), np.float32)).shape
    (3, 9, 9)
    """
    pixels = canvas.images("occlusion", x)
    H, W = pixels.shape[1:3]
    size = max(min(H, W) // 5, 1) if size is None else size
    stride = max(size // 2, 1) if stride is None else stride
    if not (1 <= size <= min(H, W) and stride >= 1):
        raise ValueError(
            f"occlusion: size must be in [1, {min(H, W)}] and stride >= 1, got "
            f"{size} and {stride}"
        )
    filled = pixels.dtype.type(pixels.min() if fill is None else fill)
    places = [
        (row, column)
        for row in _starts(H, size, stride)
        for column in _starts(W, size, stride)
    ]
    covered = np.zeros((H, W), np.float32)
    for row, column in places:
        covered[row : row + size, column : column + size] += 1
    heat = np.zeros(pixels.shape[:3], np.float32)
    with no_grad(), evaluating(model):
        logits = outputs.logits(model, pixels)
        chosen = outputs.classes("occlusion", classes, logits)
        for number, image in enumerate(pixels):
            hidden = np.repeat(image[np.newaxis], len(places), axis=0)
            for copy, (row, column) in zip(hidden, places, strict=True):
                copy[row : row + size, column : column + size] = filled
            before = kernels.softmax(logits[number : number + 1])[0, chosen[number]]
            after = kernels.softmax(outputs.logits(model, hidden))[:, chosen[number]]
            for (row, column), lost in zip(places, before - after, strict=True):
                heat[number, row : row + size, column : column + size] += lost
    return heat / covered


def _starts(length: int, size: int, stride: int) -> list[int]:
    """Where the squares begin, the last one at the border."""
    return sorted({*range(0, length - size + 1, stride), length - size})
