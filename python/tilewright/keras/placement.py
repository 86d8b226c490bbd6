"""Which device the weights of layers are made on: TensorFlow's ``device``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar

from tilewright.kernels import devices

# None: nothing was chosen.
_chosen: ContextVar[str | None] = ContextVar("tilewright_keras_device", default=None)
# "/GPU:0", "GPU:0", "/device:GPU:0", "gpu"; and our own "cuda:0".
_NAME = re.compile(r"/?(?:device:)?(cpu|gpu|cuda)(?::(\d+))?", re.IGNORECASE)


@contextlib.contextmanager
def device(device_name: str | None) -> Iterator[None]:
    """Make layers and models whose weights are on a device.

    It is about the layers of `tilewright.keras` alone, also ``tilewright.device``. A
    model that was made or loaded in the block is trained, evaluated and asked where
    its weights are, in the block and after it; without a block that is the CPU.

    Parameters
    ----------
    device_name : str or None
        ``"/GPU:0"``, ``"GPU:0"``, ``"gpu:0"`` or ``"/device:GPU:0"``, ``"/CPU:0"``;
        ``"GPU"`` is CuPy's current one. None chooses nothing, in a block that does.

    Raises
    ------
    ValueError
        If it is the name of no device.
    BackendUnavailableError
        If it is a GPU, and it, its driver, CuPy or the kernels are not here.

    Notes
    -----
    It holds for the running thread. This has not run on hardware yet.

    Examples
    --------
    >>> import tilewright as tf
    >>> from tilewright.keras import Input, Sequential, layers
    >>> name = "/GPU:0" if tf.config.list_physical_devices("GPU") else "/CPU:0"
    >>> with tf.device(name):
    ...     model = Sequential([Input((4,)), layers.Dense(3)])
    >>> model.predict([[1.0, 2.0, 3.0, 4.0]], verbose=0).shape
    (1, 3)
    """
    token = _chosen.set(None if device_name is None else _checked(device_name))
    try:
        yield
    finally:
        _chosen.reset(token)


def chosen() -> str | None:
    """The device of the innermost block, by its checked name; None outside of all."""
    return _chosen.get()


def _checked(name: str) -> str:
    """TensorFlow's name as ours, of a device that is here."""
    found = _NAME.fullmatch(str(name))
    kind, number = found.groups() if found else ("", None)
    if kind.lower() in ("gpu", "cuda"):
        return devices.checked("device", "cuda" if number is None else f"cuda:{number}")
    if not kind or int(number or 0):
        raise ValueError(
            f"device: device_name must be such as '/GPU:0' or '/CPU:0', got {name!r}"
        )
    return devices.CPU
