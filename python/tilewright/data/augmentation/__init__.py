"""Random changes of training images, as the `transform` of an `ArrayDataset`.

    from tilewright.data import Augmentation, augmentation

    train.transform = Augmentation(
        augmentation.RandomShift(0.1), augmentation.RandomRotation(10)
    )

What happens to a sample is decided by the loader's seed, the epoch and the sample's
row number alone: not by the batch it is in, the order of the batches or the threads.
"""

from tilewright.data.augmentation.crop import RandomCrop
from tilewright.data.augmentation.cutout import Cutout
from tilewright.data.augmentation.flip import RandomFlip
from tilewright.data.augmentation.mixup import MixUp
from tilewright.data.augmentation.pipeline import Augmentation, Draws, Step
from tilewright.data.augmentation.rescale import Rescale
from tilewright.data.augmentation.warp import RandomRotation, RandomShift, RandomZoom

__all__ = [
    "Augmentation",
    "Cutout",
    "Draws",
    "MixUp",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomShift",
    "RandomZoom",
    "Rescale",
    "Step",
]
