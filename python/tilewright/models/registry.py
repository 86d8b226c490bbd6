"""Models by name: how each is built and what its inputs look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tilewright.data.images import DecodedImage, read_image
from tilewright.models.mnist_cnn import mnist_cnn
from tilewright.nn import Module


@dataclass(frozen=True)
class ModelEntry:
    """What the command line has to know of a model.

    Attributes
    ----------
    build : callable
        From the number of classes to a new model.
    input_shape : tuple of int
        Of one sample, (H, W, C).
    read : callable
        From the path of an image file to an input of that shape.
    """

    build: Callable[[int], Module]
    input_shape: tuple[int, int, int]
    read: Callable[[str], DecodedImage]


MODELS: dict[str, ModelEntry] = {
    "mnist-cnn": ModelEntry(mnist_cnn, (28, 28, 1), read_image),
}


def model_entry(name: str) -> ModelEntry:
    """Registry entry of a model.

    Parameters
    ----------
    name : str

    Returns
    -------
    ModelEntry

    Raises
    ------
    ValueError
        If there is no model of that name.

    Examples
    --------
    >>> from tilewright.models import model_entry
    >>> model_entry("mnist-cnn").input_shape
    (28, 28, 1)
    """
    if name not in MODELS:
        raise ValueError(
            f"unknown model {name!r}; expected one of {', '.join(sorted(MODELS))}"
        )
    return MODELS[name]
