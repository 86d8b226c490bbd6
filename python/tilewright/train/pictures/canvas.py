"""What the pictures have in common: figures, grids, images, checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.extras import require

Array = NDArray[Any]


def figure(width: float, height: float) -> Any:
    """A new figure, independent of pyplot and of a display; sizes in inches."""
    module = require("matplotlib.figure", extra="train")
    return module.Figure(figsize=(width, height), layout="constrained")


def grid(count: int, columns: int, size: float) -> tuple[Any, list[Any]]:
    """A figure of so many square places without axes.

    Parameters
    ----------
    count, columns : int
    size : float
        Of a place, in inches.

    Returns
    -------
    figure, axes
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    whole = figure(columns * size, rows * size)
    axes = list(whole.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    return whole, axes[:count]


def show(axis: Any, image: Array, **options: Any) -> None:
    """Draw an image (H, W, C): grey, in colour, or the mean of other channels.

    Colours outside of [0, 1], such as normalised ones, are brought into it.
    """
    if image.ndim == 3 and image.shape[-1] == 3:
        low, high = min(float(image.min()), 0.0), max(float(image.max()), 1.0)
        axis.imshow((image - low) / (high - low), **options)
        return
    plane = image.mean(axis=-1) if image.ndim == 3 else image
    axis.imshow(plane, **{"cmap": "gray", **options})


def images(op: str, x: Any) -> Array:
    """Return a batch of images.

    Raises
    ------
    ValueError
        If it is none.
    """
    array = np.asarray(x)
    if array.ndim != 4 or not len(array):
        raise ValueError(f"{op}: x must be images (N, H, W, C), got {array.shape}")
    return array


def labels(op: str, name: str, values: Any, size: int | None = None) -> Array:
    """Return class ids (N,).

    Raises
    ------
    ValueError
        If they are none, or of another number than `size`.
    """
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{op}: {name} must be class ids (N,), got {array.dtype} of shape "
            f"{array.shape}"
        )
    if size is not None and len(array) != size:
        raise ValueError(f"{op}: {name} must have {size} elements, got {len(array)}")
    return array


def class_names(op: str, classes: Sequence[str] | None, count: int) -> list[str]:
    """Names of at least `count` classes, their numbers where none are given.

    Raises
    ------
    ValueError
        If there are fewer names.
    """
    if classes is None:
        return [str(number) for number in range(count)]
    if len(classes) < count:
        raise ValueError(
            f"{op}: classes must name {count} classes or more, got {len(classes)}"
        )
    return [str(name) for name in classes]
