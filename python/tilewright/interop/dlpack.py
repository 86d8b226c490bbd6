"""Arrays of other libraries as tensors, sharing their memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.autograd import Tensor
from tilewright.kernels import devices

# Memory that the processor reads: plain, and pinned for a GPU (dlpack.h).
_HOST_DEVICES = (1, 3)
_CUDA_DEVICE = 2


def from_dlpack(x: Any) -> Tensor:
    """Make a Tensor of an array that lies in the memory of another library.

    The memory is shared, whatever the strides: a change through one is seen through
    the other. ``torch.from_dlpack(tensor)`` and others go the other way.

    Parameters
    ----------
    x : object with ``__dlpack__`` and ``__dlpack_device__``
        Such as a PyTorch tensor that requires no gradient, or a NumPy array. What
        lies on an NVIDIA GPU stays there; CuPy's current stream waits for it.

    Returns
    -------
    Tensor
        Without gradient.

    Raises
    ------
    TypeError
        If it is no such object, or its elements are of a type that NumPy lacks.
    ValueError
        If it is neither in the memory of the processor nor on an NVIDIA GPU.
    BackendUnavailableError
        If it is on a GPU, and CuPy or the CUDA kernels are not here.
    BufferError
        If its library does not hand it out, for instance because it requires a
        gradient.

    References
    ----------
    DLPack, https://dmlc.github.io/dlpack/latest/python_spec.html.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> array = np.zeros(3, np.float32)
    >>> tensor = tw.from_dlpack(array)
    >>> array[1] = 5
    >>> tensor
    tensor([0., 5., 0.])
    """
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise TypeError(
            f"from_dlpack: x must have __dlpack__ and __dlpack_device__, got "
            f"{type(x).__name__}"
        )
    device = tuple(map(int, x.__dlpack_device__()))
    if device[0] == _CUDA_DEVICE:
        name = devices.checked("from_dlpack", f"cuda:{device[1]}")
        with devices.on(name):
            return Tensor(devices.cupy().from_dlpack(x))
    if device[0] not in _HOST_DEVICES:
        raise ValueError(
            f"from_dlpack: x must be in the processor's memory or on an NVIDIA GPU, "
            f"got DLPack device {device}; copy it there first"
        )
    try:
        return Tensor(np.from_dlpack(x))
    except RuntimeError as error:
        raise TypeError(f"from_dlpack: {error}") from error
