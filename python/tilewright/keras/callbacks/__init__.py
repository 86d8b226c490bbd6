"""Callbacks under their Keras names."""

from tilewright.keras.callbacks.callback import Callback, History, LambdaCallback
from tilewright.keras.callbacks.files import CSVLogger, ModelCheckpoint, TensorBoard
from tilewright.keras.callbacks.monitored import EarlyStopping, ReduceLROnPlateau
from tilewright.keras.callbacks.rates import LearningRateScheduler, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
