"""Limits on gradients, between ``backward`` and ``step``."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tilewright import kernels
from tilewright.autograd import Tensor, watch
from tilewright.kernels import checks
from tilewright.kernels.device_arrays import on_device

Array = NDArray[Any]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0
) -> float:
    """Scale all gradients so that their common norm is at most `max_norm`.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float, default 2.0
        The p of the p-norm; ``inf`` for the largest magnitude.

    Returns
    -------
    float
        The norm before; a GPU is waited for. Where it is not finite no gradient is
        changed.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or none.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent
    neural networks", ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> weight = nn.Parameter(np.zeros(2, np.float32))
    >>> weight.grad = np.array([3, 4], np.float32)
    >>> optim.clip_grad_norm_([weight], max_norm=1.0)
    5.0
    >>> weight.grad
    tensor([0.6000, 0.8000])
    """
    max_norm = checks.number("clip_grad_norm_", "max_norm", max_norm)
    if norm_type != math.inf:
        checks.number("clip_grad_norm_", "norm_type", norm_type, 1.0)
    grads = _gradients(parameters)
    if norm_type == 2 and _of_one_kind(grads):
        return float(_scaled(grads, max_norm))
    norm = _norm([grad.data for grad in grads], norm_type)
    scale = max_norm / (norm + 1e-6)
    if scale < 1.0 and math.isfinite(norm):
        for grad in grads:
            _replace(grad, grad.data * grad.dtype.type(scale))
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit each element of all gradients to ``[-clip_value, clip_value]``.

    Parameters
    ----------
    parameters : iterable of Parameter
        Those without a gradient are passed over.
    clip_value : float

    Raises
    ------
    ValueError, TypeError
        If the number is out of range or none.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn, optim
    >>> weight = nn.Parameter(np.zeros(2, np.float32))
    >>> weight.grad = np.array([3, -0.5], np.float32)
    >>> optim.clip_grad_value_([weight], 1.0)
    >>> weight.grad
    tensor([ 1.0000, -0.5000])
    """
    limit = checks.number("clip_grad_value_", "clip_value", clip_value)
    grads = _gradients(parameters)
    if _of_one_kind(grads):
        kernels.clip_by_value([grad._data for grad in grads], limit=limit)
        _changed(grads)
        return
    for grad in grads:
        _replace(grad, np.clip(grad.data, -limit, limit))


class Clipping(NamedTuple):
    """Limits on gradients, to be applied at each step.

    Unlike `clip_grad_norm_` it does not tell the norm, so that no GPU is waited for.

    Attributes
    ----------
    norm : float or None
        The largest norm of all gradients together.
    value : float or None
        The largest magnitude of an element, before the norm is taken.
    each : bool
        Whether the norm is that of each parameter's gradient by itself.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> from tilewright.optim.clipping import Clipping
    >>> weight = nn.Parameter(np.zeros(2, np.float32))
    >>> weight.grad = np.array([3, 400], np.float32)
    >>> Clipping(norm=1.0, value=4.0).apply([weight])
    >>> weight.grad
    tensor([0.6000, 0.8000])
    """

    norm: float | None = None
    value: float | None = None
    each: bool = False

    def apply(self, parameters: Iterable[Tensor]) -> None:
        """Change the gradients of parameters.

        Parameters
        ----------
        parameters : iterable of Parameter
            Those without a gradient are passed over.

        Raises
        ------
        ValueError, TypeError
            If a number is out of range or none.
        """
        given = [each for each in parameters if each.grad is not None]
        if self.value is not None:
            clip_grad_value_(given, self.value)
        if self.norm is None:
            return
        max_norm = checks.number("clip_grad_norm_", "max_norm", self.norm)
        for some in [[one] for one in given] if self.each else [given]:
            grads = _gradients(some)
            if _of_one_kind(grads):
                _scaled(grads, max_norm)
            else:
                clip_grad_norm_(some, max_norm)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    each = [parameters] if isinstance(parameters, Tensor) else parameters
    return [tensor.grad for tensor in each if tensor.grad is not None]


def _of_one_kind(grads: list[Tensor]) -> bool:
    """Whether the kernels take them: of one dtype, in one memory, to be written."""
    arrays = [grad._data for grad in grads]
    if not arrays:
        return True
    kind, dtype = type(arrays[0]), arrays[0].dtype
    if dtype.name not in ("float32", "float64"):
        return False
    return all(
        type(array) is kind
        and array.dtype == dtype
        and (array.flags.c_contiguous if on_device(array) else array.flags.carray)
        for array in arrays
    )


def _scaled(grads: list[Tensor], max_norm: float) -> Any:
    """Limit the norm by the kernel, and return it as that does."""
    norm = kernels.clip_by_norm([grad._data for grad in grads], max_norm=max_norm)
    _changed(grads)
    return norm


def _changed(grads: list[Tensor]) -> None:
    for grad in grads:
        grad._version.number += 1


def _norm(grads: list[Array], p: float) -> float:
    """Norm of all elements, added up in float64 in the order of the parameters."""
    with np.errstate(all="ignore"):
        if p == math.inf:
            largest = [np.abs(grad).max() for grad in grads if grad.size]
            return float(functools.reduce(np.maximum, largest, 0.0))
        # One look at the sum of them: each would wait for a GPU.
        powers = [np.sum(np.abs(grad.astype(np.float64)) ** p) for grad in grads]
        total = float(sum(powers))
    return float(total ** (1 / p))


def _replace(grad: Tensor, values: Array) -> None:
    watch.report("a change of gradients")
    np.copyto(grad.data, values)
    grad._version.number += 1
