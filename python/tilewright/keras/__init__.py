"""The Keras spelling of tilewright: scripts run with their import lines changed alone.

    import tilewright as tf
    from tilewright.keras import layers, models

A thin layer: every class stands for one of ours, with Keras's names, defaults and
meaning of arguments.
"""

from tilewright.keras import (
    activations,
    backend,
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from tilewright.keras.layers import Input
from tilewright.keras.models import Model, Sequential

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]
