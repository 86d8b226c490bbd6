"""What a run calls at its turns: reports, schedules, ends, checkpoints.

    trainer.fit(data, callbacks=[train.EarlyStopping(), train.CSVLog("log.csv")])

`Callback` is the base of one's own.
"""

from tilewright.train.callbacks.callback import Callback
from tilewright.train.callbacks.checkpoint import Checkpoint
from tilewright.train.callbacks.early_stopping import EarlyStopping
from tilewright.train.callbacks.gradient_accumulation import GradientAccumulation
from tilewright.train.callbacks.gradient_clipping import GradientClipping
from tilewright.train.callbacks.learning_rate import LearningRateSchedule
from tilewright.train.callbacks.log_files import CSVLog, JSONLog
from tilewright.train.callbacks.moving_average import MovingAverage
from tilewright.train.callbacks.progress import Progress
from tilewright.train.callbacks.stop_on_nan import StopOnNaN
from tilewright.train.callbacks.tensorboard import TensorBoard

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "GradientAccumulation",
    "GradientClipping",
    "JSONLog",
    "LearningRateSchedule",
    "MovingAverage",
    "Progress",
    "StopOnNaN",
    "TensorBoard",
]
