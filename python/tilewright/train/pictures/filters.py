"""The filters of the first convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import nn
from tilewright.train.pictures import canvas


def filters(model: nn.Module, count: int = 64) -> Any:
    """What the first convolution looks for: blue weights are negative, red positive.

    Filters over three channels are shown in colour, grey being 0; of others the mean
    over the channels is shown.

    Parameters
    ----------
    model : Module
        With a Conv2d in it; its first one is drawn.
    count : int, default 64
        How many filters at most.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no convolution.
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> from tilewright import nn
    >>> from tilewright.train import pictures
    >>> figure = pictures.filters(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU()))
    >>> len(figure.axes)
    8
    """
    convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    first = next(convolutions, None)
    if first is None:
        raise ValueError("filters: the model has no Conv2d")
    weight = np.moveaxis(first.weight.data, -1, 0)[:count]
    limit = max(float(np.abs(weight).max()), 1e-12)
    figure, axes = canvas.grid(len(weight), 16 if len(weight) > 16 else 8, 0.75)
    for axis, kernel in zip(axes, weight, strict=True):
        if kernel.shape[-1] == 3:
            canvas.show(axis, 0.5 + kernel / (2 * limit))
        else:
            canvas.show(axis, kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
    return figure
