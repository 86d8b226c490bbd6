"""How weights and their gradients are spread."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tilewright import nn
from tilewright.train.evaluating import evaluating
from tilewright.train.losses import LossFunction, resolve_loss
from tilewright.train.pictures import canvas


def histograms(
    model: nn.Module,
    x: ArrayLike,
    y: ArrayLike,
    loss: str | LossFunction = "cross_entropy",
) -> Any:
    """Histograms of each weight and of its gradient over some samples.

    Weights near 0 alone, or gradients that shrink from layer to layer, are what to
    look for.

    Parameters
    ----------
    model : Module
    x : array_like, shape (N, ...)
        Inputs of some samples, a few hundred for example.
    y : array_like, shape (N, ...)
        Their targets.
    loss : str or callable, default "cross_entropy"
        As the `Trainer` takes it.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each parameter with two axes or more; weights on the left, gradients
        on the right, counts on a logarithmic scale.

    Raises
    ------
    ValueError
        If there is no such parameter, or the loss is unknown.
    ImportError
        If Matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.train import pictures
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> x, y = np.eye(4, dtype=np.float32), np.array([0, 1, 2, 0])
    >>> len(pictures.histograms(model, x, y).axes)
    4
    """
    function = resolve_loss("histograms", loss)
    weights = [(name, p) for name, p in model.named_parameters() if p.ndim > 1]
    if not weights:
        raise ValueError("histograms: the model has no weights")
    kept = [(parameter, parameter.grad) for parameter in model.parameters()]
    try:
        model.zero_grad()
        with evaluating(model):
            function(model(np.asarray(x)), np.asarray(y)).backward()
        pairs = [(name, p.data, p.grad) for name, p in weights]
    finally:
        for parameter, gradient in kept:
            parameter.grad = gradient
    figure = canvas.figure(8, 0.4 + 1.25 * len(pairs))
    axes = figure.subplots(len(pairs), 2, squeeze=False)
    for row, (name, weight, gradient) in zip(axes, pairs, strict=True):
        row[0].set_ylabel(name, fontsize=8)
        _draw(row[0], weight, "tab:blue")
        if gradient is not None:
            _draw(row[1], gradient.data, "tab:orange")
    axes[0, 0].set_title("weights", fontsize=9)
    axes[0, 1].set_title("gradients", fontsize=9)
    return figure


def _draw(axis: Any, values: Any, colour: str) -> None:
    finite = values[np.isfinite(values)]
    if finite.size:
        axis.hist(finite.ravel(), bins=60, color=colour, log=True)
        axis.locator_params(axis="x", nbins=6)
    lost = values.size - finite.size
    if lost:
        axis.text(
            0.98,
            0.9,
            f"{lost:,} not finite",
            transform=axis.transAxes,
            ha="right",
            va="top",
            fontsize=8,
            color="tab:red",
        )
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.3)
