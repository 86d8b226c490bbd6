"""Learning rates that follow a plan.

    schedule = optim.lr_scheduler.StepLR(opt, step_size=30)
    for epoch in range(90):
        ...
        schedule.step()

Names and behaviour are PyTorch's; `CosineWarmupLR` is ours. The Trainer takes one by
`train.callbacks.LearningRateSchedule`.
"""

from tilewright.optim.lr_scheduler.one_cycle import OneCycleLR
from tilewright.optim.lr_scheduler.planned import (
    CosineAnnealingLR,
    CosineWarmupLR,
    ExponentialLR,
    LambdaLR,
    MultiStepLR,
    StepLR,
)
from tilewright.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tilewright.optim.lr_scheduler.scheduler import LRScheduler

__all__ = [
    "CosineAnnealingLR",
    "CosineWarmupLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "StepLR",
]
