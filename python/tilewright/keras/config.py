"""What TensorFlow's ``config`` says of devices; also ``tilewright.config``."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PhysicalDevice", "list_physical_devices"]


class PhysicalDevice(NamedTuple):
    """A device by its name.

    Attributes
    ----------
    name : str
        Such as ``"/physical_device:GPU:0"``.
    device_type : {"CPU", "GPU"}
    """

    name: str
    device_type: str


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """The CPU, and the GPUs that can be used.

    ``tilewright info`` says why a GPU cannot.

    Parameters
    ----------
    device_type : {"CPU", "GPU"}, optional
        By default both.

    Returns
    -------
    list of PhysicalDevice

    Examples
    --------
    >>> import tilewright as tf
    >>> tf.config.list_physical_devices("CPU")
    [PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]
    """
    from tilewright import cuda

    names = ["CPU:0", *(f"GPU:{number}" for number in range(cuda.device_count()))]
    found = [
        PhysicalDevice(f"/physical_device:{name}", name.partition(":")[0])
        for name in names
    ]
    return [each for each in found if device_type in (None, each.device_type)]
