"""Images, and what in them decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tilewright import nn
from tilewright.autograd import no_grad
from tilewright.train.evaluating import evaluating
from tilewright.train.pictures import canvas, outputs
from tilewright.train.pictures.grad_cam import grad_cam
from tilewright.train.pictures.occlusion import occlusion


def explanations(
    model: nn.Module,
    x: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str] | None = None,
) -> Any:
    """Images, and under each what decided: Grad-CAM and occlusion.

    Parameters
    ----------
    model : Module
        From images to logits, with a convolution in it.
    x : array_like, shape (N, H, W, C)
        A few images.
    labels : array_like of int, shape (N,)
        True class ids.
    classes : sequence of str, optional
        Names by class id.

    Returns
    -------
    matplotlib.figure.Figure
        Both are of the class that the model predicts. In the third row red parts
        speak for it when they are seen, blue ones against it.

    Raises
    ------
    ValueError
        If the shapes do not fit, or the model has no convolution.
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.train import pictures
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(98, 2))
    >>> x = np.ones((4, 9, 9, 1), np.float32)
    >>> len(pictures.explanations(model, x, [0, 1, 0, 1]).axes)
    12
    """
    pixels = canvas.images("explanations", x)
    truth = canvas.labels("explanations", "labels", labels, len(pixels))
    with no_grad(), evaluating(model):
        logits = outputs.logits(model, pixels)
    guess = logits.argmax(axis=1)
    names = canvas.class_names("explanations", classes, logits.shape[1])
    heat = grad_cam(model, pixels, guess)
    lost = occlusion(model, pixels, guess)
    figure = canvas.figure(1.35 * len(pixels), 4.6)
    axes = figure.subplots(3, len(pixels), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for column, image in enumerate(pixels):
        title = names[guess[column]]
        if guess[column] != truth[column]:
            title += f" (is {names[truth[column]]})"
        axes[0, column].set_title(title, fontsize=8)
        for row in range(3):
            canvas.show(axes[row, column], image)
        axes[1, column].imshow(heat[column], cmap="inferno", alpha=0.6, vmin=0, vmax=1)
        limit = max(float(np.abs(lost[column]).max()), 1e-6)
        axes[2, column].imshow(
            lost[column], cmap="RdBu_r", alpha=0.6, vmin=-limit, vmax=limit
        )
    for row, text in enumerate(("image", "Grad-CAM", "occlusion")):
        axes[row, 0].text(
            -0.08,
            0.5,
            text,
            transform=axes[row, 0].transAxes,
            rotation=90,
            ha="right",
            va="center",
            fontsize=8,
        )
    return figure
