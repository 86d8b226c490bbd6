"""A tensor that training changes."""

from __future__ import annotations

import numpy as np

from tilewright.autograd import Tensor
from tilewright.kernels.device_arrays import is_array, on_device
from tilewright.nn.types import TensorLike


class Parameter(Tensor):
    """A tensor that a Module finds among its attributes, and an optimizer moves.

    Parameters
    ----------
    data : ndarray or Tensor
        float32, or float64 for the numpy backend. It is copied: an optimizer writes
        into the parameter's own array.
    requires_grad : bool, default True

    Raises
    ------
    TypeError
        If the data are no array, or of another dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Parameter(np.zeros(2, np.float32))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: TensorLike, requires_grad: bool = True) -> None:
        array = data.data if isinstance(data, Tensor) else data
        if not is_array(array):
            raise TypeError(
                "Parameter: data must be a NumPy array or a Tensor, "
                f"got {type(data).__name__}"
            )
        if array.dtype.name not in ("float32", "float64"):
            raise TypeError(
                f"Parameter: data must be float32 or float64, got {array.dtype.name}"
            )
        native = array.dtype.newbyteorder("=")
        # Contiguous and its own: what the kernels ask of an array they overwrite.
        if on_device(array):
            own = array.astype(native, order="C", copy=True)
        else:
            own = np.array(array, dtype=native, order="C")
        super().__init__(own, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
