"""What goes in, as a Tensor."""

from __future__ import annotations

from tilewright.autograd import Tensor
from tilewright.kernels.device_arrays import is_array
from tilewright.nn.types import TensorLike


def as_tensor(op: str, x: TensorLike) -> Tensor:
    """Return a Tensor as it is, and one around an array.

    Raises
    ------
    TypeError
        If it is neither: the dtype of a list would be a guess.
    """
    if isinstance(x, Tensor):
        return x
    if not is_array(x):
        raise TypeError(
            f"{op}: x must be a Tensor or a NumPy array, got {type(x).__name__}"
        )
    return Tensor(x)
