"""Training: the loop, its metrics, history and checkpoints."""

from tilewright.train.checkpoint import CHECKPOINT_NAME, load_tree, save_tree
from tilewright.train.compiled_step import CompiledStep, compile_step
from tilewright.train.energy import EnergyMeter
from tilewright.train.history import History
from tilewright.train.metrics import accuracy
from tilewright.train.report import write_report
from tilewright.train.summary import summarize
from tilewright.train.trainer import Trainer

__all__ = [
    "CHECKPOINT_NAME",
    "CompiledStep",
    "EnergyMeter",
    "History",
    "Trainer",
    "accuracy",
    "compile_step",
    "load_tree",
    "save_tree",
    "summarize",
    "write_report",
]
