"""Training: the loop, its callbacks, metrics, history and checkpoints."""

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from tilewright.train import pictures as pictures
    from tilewright.train.energy import EnergyMeter
    from tilewright.train.report import write_report
    from tilewright.train.summary import summarize

# Looked for when they are first used: no training needs them.
_HOMES = {
    "EnergyMeter": "energy",
    "pictures": "pictures",
    "summarize": "summary",
    "write_report": "report",
}

__all__ = [
    "CHECKPOINT_NAME",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CompiledStep",
    "EnergyMeter",
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
    "pictures",
    "save_tree",
    "summarize",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load a name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tilewright.train' has no attribute {name!r}")
    home = importlib.import_module(f"tilewright.train.{_HOMES[name]}")
    return home if name == "pictures" else getattr(home, name)
