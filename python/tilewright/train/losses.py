"""Losses by name, as the Trainer and compiled steps take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tilewright.autograd import Tensor
from tilewright.kernels.device_arrays import on_device
from tilewright.nn import functional

# Outputs and targets, each an array or a tuple of them, to the loss; or to a tuple
# that begins with it, and whose other tensors are added to the outputs.
LossFunction = Callable[[Any, Any], Any]

LOSSES: dict[str, LossFunction] = {
    "cross_entropy": functional.cross_entropy,
    "binary_cross_entropy": functional.binary_cross_entropy,
    "binary_cross_entropy_with_logits": functional.binary_cross_entropy_with_logits,
    "mse_loss": functional.mse_loss,
    "l1_loss": functional.l1_loss,
    "huber_loss": functional.huber_loss,
}


def value_of(loss: Tensor) -> Any:
    """A loss as a number; on a GPU as CuPy's array, for that would be waited for."""
    return loss._data if on_device(loss._data) else loss.item()


def resolve_loss(caller: str, loss: str | LossFunction) -> LossFunction:
    """Loss function of a name, or the function itself.

    Parameters
    ----------
    caller : str
        Named in the error.
    loss : str or callable

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        If there is no loss of that name.
    TypeError
        If it is neither a name nor a function.
    """
    if isinstance(loss, str):
        if loss not in LOSSES:
            raise ValueError(
                f"{caller}: unknown loss {loss!r}; expected one of "
                f"{', '.join(LOSSES)}, or a function"
            )
        return LOSSES[loss]
    if not callable(loss):
        raise TypeError(
            f"{caller}: loss must be a name or a function, got {type(loss).__name__}"
        )
    return loss


def with_extras(result: Any, outputs: Any) -> tuple[Tensor, Any]:
    """What a loss function returned as the loss, and the outputs with its extras.

    Parameters
    ----------
    result : Tensor or tuple of Tensor
    outputs : Tensor or tuple of Tensor

    Returns
    -------
    loss : Tensor
    outputs : Tensor or tuple of Tensor
    """
    if not isinstance(result, tuple):
        return result, outputs
    own = outputs if isinstance(outputs, tuple) else (outputs,)
    return result[0], (*own, *result[1:])


def arrays_of(outputs: Any) -> Any:
    """The array of a tensor, or those of a tuple; arrays as they are."""
    if isinstance(outputs, tuple):
        return tuple(map(arrays_of, outputs))
    return outputs.data if isinstance(outputs, Tensor) else outputs
