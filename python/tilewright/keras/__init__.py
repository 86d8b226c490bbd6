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
    config,
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
from tilewright.keras.placement import device

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "activations",
    "backend",
    "callbacks",
    "config",
    "datasets",
    "device",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]
