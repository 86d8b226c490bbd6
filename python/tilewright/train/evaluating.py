"""A model in evaluation for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tilewright.nn import Module


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode inside the block; each module's own mode after it.

    Parameters
    ----------
    model : Module

    Examples
    --------
    >>> from tilewright import nn
    >>> from tilewright.train.evaluating import evaluating
    >>> layer = nn.Dropout()
    >>> with evaluating(layer):
    ...     print(layer.training)
    False
    >>> layer.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
