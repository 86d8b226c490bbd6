"""Training: the loop, its callbacks, metrics, history and checkpoints."""

from tilewright.train.callbacks import (
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    GradientAccumulation,
    GradientClipping,
    JSONLog,
    LearningRateSchedule,
    MovingAverage,
    Progress,
    StopOnNaN,
    TensorBoard,
)
from tilewright.train.checkpoint import CHECKPOINT_NAME, load_tree, save_tree
from tilewright.train.compiled_step import CompiledStep, compile_step
from tilewright.train.history import History
from tilewright.train.metrics import accuracy
from tilewright.train.trainer import Trainer

__all__ = [
    "CHECKPOINT_NAME",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CompiledStep",
    "EarlyStopping",
    "GradientAccumulation",
    "GradientClipping",
    "History",
    "JSONLog",
    "LearningRateSchedule",
    "MovingAverage",
    "Progress",
    "StopOnNaN",
    "TensorBoard",
    "Trainer",
    "accuracy",
    "compile_step",
    "load_tree",
    "save_tree",
]
