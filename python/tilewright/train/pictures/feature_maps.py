"""What the convolutions make of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tilewright import nn
from tilewright.train.pictures import canvas, outputs


def feature_maps(model: nn.Module, image: ArrayLike, channels: int = 10) -> Any:
    """The strongest channels of every convolution for one image, a row each.

    Parameters
    ----------
    model : Module
    image : array_like, shape (H, W, C)
    channels : int, default 10
        How many of each convolution, behind its activation.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If it is no image, or the model has no convolution.
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.train import pictures
    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    >>> figure = pictures.feature_maps(model, np.ones((9, 9, 1), np.float32), 5)
    >>> [a.get_title("left") for a in figure.axes if a.get_title("left")]
    ['layer 0', 'layer 2']
    """
    pixels = np.asarray(image)
    if pixels.ndim != 3:
        raise ValueError(
            f"feature_maps: image must have shape (H, W, C), got {pixels.shape}"
        )
    found = outputs.maps(model, pixels[np.newaxis])
    if not found:
        raise ValueError("feature_maps: the model has no Conv2d")
    figure = canvas.figure(0.85 * (channels + 1), 0.95 * len(found))
    axes = figure.subplots(len(found), channels + 1, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    canvas.show(axes[0, 0], pixels)
    axes[0, 0].set_title("image", fontsize=8)
    for row, (name, _, _, y) in enumerate(found):
        strength = np.abs(y[0]).mean(axis=(0, 1))
        strongest = np.argsort(-strength, kind="stable")[:channels]
        for axis, channel in zip(axes[row, 1:], strongest, strict=False):
            canvas.show(axis, y[0, :, :, channel], cmap="viridis")
        axes[row, 1].set_title(f"layer {name}".strip(), fontsize=8, loc="left")
    return figure
