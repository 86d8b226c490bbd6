"""What a model consists of: its layers, what they return, and their parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.train.pictures.outputs import of_layers


class LayerSummary(NamedTuple):
    """One layer.

    Attributes
    ----------
    name : str
        Dotted, as in the state dict.
    layer : str
        What its text says.
    output : tuple of int
        Shape of what it returns for one sample.
    parameters : int
        Numbers that are trained.
    """

    name: str
    layer: str
    output: tuple[int, ...]
    parameters: int


def summarize(model: nn.Module, sample: NDArray[Any]) -> list[LayerSummary]:
    """The layers of a model in the order in which they run.

    Parameters
    ----------
    model : Module
    sample : ndarray, shape (...)
        One input.

    Returns
    -------
    list of LayerSummary
        A layer that runs twice is there twice.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.train import summarize
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> for layer in summarize(model, np.zeros(4, np.float32)):
    ...     print(layer.name, layer.output, layer.parameters)
    0 (8,) 40
    1 (8,) 0
    2 (3,) 27
    """
    return [
        LayerSummary(
            name,
            repr(layer),
            output.shape[1:],
            sum(parameter.size for parameter in layer.parameters()),
        )
        for name, layer, output in of_layers(model, np.asarray(sample)[np.newaxis])
    ]
