"""Optimizers under their Keras names, with Keras's defaults and formulas."""

from tilewright.keras.optimizers import schedules
from tilewright.keras.optimizers.optimizer import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
    get,
)

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "get",
    "schedules",
]
