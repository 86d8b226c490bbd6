"""Which part of an image decided, by gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilewright import nn
from tilewright.autograd import Tensor
from tilewright.train.evaluating import evaluating
from tilewright.train.pictures import canvas, outputs

Array = NDArray[Any]


def grad_cam(
    model: nn.Module,
    x: ArrayLike,
    classes: ArrayLike | None = None,
    layer: nn.Module | None = None,
) -> NDArray[np.float32]:
    """Where a convolution's channels speak for a class.

    Each channel of the layer's output counts as much as the class's logit grows with
    it on average; what speaks against the class is left out.

    Parameters
    ----------
    model : Module
        From images to logits.
    x : array_like, shape (N, H, W, C)
    classes : array_like of int, shape (N,), optional
        Whose logits; by default those that the model predicts.
    layer : Module, optional
        One of the model that returns images, of which the last run counts; by default
        the last convolution that the logits depend on, behind its activation.

    Returns
    -------
    ndarray of float32, shape (N, H, W)
        In [0, 1], 1 being the strongest of each image; zeros where nothing speaks for
        the class.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there is no such layer.

    References
    ----------
    R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization", 2017, https://arxiv.org/abs/1610.02391.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.train import pictures
    >>> model = nn.Sequential(
    ...     nn.Conv2d(1, 4, 3), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Linear(4, 2))
    >>> pictures.grad_cam(model, np.ones((3, 9, 9, 1), np.float32)).shape
    (3, 9, 9)
    """
    pixels = canvas.images("grad_cam", x)
    if layer is not None:
        caught = _caught(model, pixels, classes, layer, None)
        if caught is None:
            raise ValueError(
                "grad_cam: layer must be one of the model that returns images, on "
                "which the logits depend"
            )
    else:
        found = outputs.maps(model, pixels[:1])
        # The last one may serve something else than the logits.
        runs = (_caught(model, pixels, classes, m.layer, m.run) for m in found[::-1])
        caught = next((each for each in runs if each is not None), None)
        if caught is None:
            raise ValueError(
                "grad_cam: the model has no Conv2d on which its logits depend"
            )
    activation, gradient = caught
    weight = gradient.mean(axis=(1, 2), keepdims=True)
    heat = np.maximum((weight * activation).sum(axis=-1), 0)
    heat = _enlarged(heat, pixels.shape[1:3])
    strongest = heat.max(axis=(1, 2), keepdims=True)
    heat /= np.where(strongest > 0, strongest, 1)
    return heat.astype(np.float32)


def _caught(
    model: nn.Module,
    pixels: Array,
    classes: ArrayLike | None,
    layer: nn.Module,
    run: int | None,
) -> tuple[Array, Array] | None:
    """Output of one run of a layer, by default the last, and the logits' gradient.

    None if it is not images, or the logits do not depend on it.
    """
    wanted = -1 if run is None else run
    runs: list[Tensor] = []

    def catch(module: nn.Module, args: tuple[Any, ...], y: Tensor) -> Tensor:
        # A leaf of its own: its gradient is that of the rest of the network alone.
        cut = wanted in (-1, len(runs))
        runs.append(Tensor(y.data, requires_grad=True) if cut else y)
        return runs[-1]

    handle = layer.register_forward_hook(catch)
    kept = [(parameter, parameter.grad) for parameter in model.parameters()]
    try:
        # Else the new gradients would be added to those that are kept.
        model.zero_grad()
        with evaluating(model):
            logits = model(pixels)
            chosen = outputs.classes("grad_cam", classes, logits.data)
            one_hot = np.zeros(logits.shape, logits.dtype)
            one_hot[np.arange(len(one_hot)), chosen] = 1
            logits.backward(one_hot)
    finally:
        handle.remove()
        for parameter, gradient in kept:
            parameter.grad = gradient
    if not runs:
        return None
    output = runs[wanted]
    if output.ndim != 4 or output.grad is None:
        return None
    return output.data, output.grad.data


def _enlarged(maps: Array, shape: tuple[int, ...]) -> Array:
    """Maps (N, h, w) brought to a larger size by bilinear interpolation."""
    rows, columns = (
        _interpolation(large, small)
        for large, small in zip(shape, maps.shape[1:], strict=True)
    )
    large: Array = rows @ maps.astype(np.float64) @ columns.T
    return large


def _interpolation(large: int, small: int) -> Array:
    """Matrix (large, small) that interpolates between the centres of pixels."""
    at = (np.arange(large) + 0.5) * small / large - 0.5
    basis = np.eye(small)
    return np.stack([np.interp(at, np.arange(small), row) for row in basis], axis=1)
