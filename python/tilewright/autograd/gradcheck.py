"""Gradients compared with differences of the function itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd.grad_mode import no_grad
from tilewright.autograd.tensor import Tensor
from tilewright.kernels import backend

Array = NDArray[Any]


def gradcheck(
    function: Callable[..., Tensor],
    inputs: Tensor | Array | Sequence[Tensor | Array],
    eps: float = 1e-6,
    atol: float = 1e-7,
    rtol: float = 1e-5,
) -> bool:
    """Compare the gradients of a function with central differences.

    Everything is computed in float64 by the numpy backend. The result is weighted by
    fixed random numbers, so that one pass checks all of its elements.

    Parameters
    ----------
    function : callable
        Of as many Tensors as there are inputs; returns a Tensor.
    inputs : Tensor or array, or a sequence of them
        Floats are converted to float64 and their gradients checked, but for those
        of Tensors with ``requires_grad=False`` among Tensors that have it. Integers
        are passed on.
    eps : float, default 1e-6
        Each element is moved by as much, up and down.
    atol, rtol : float
        The gradients may differ by ``atol + rtol * |numeric|``.

    Returns
    -------
    bool
        True.

    Raises
    ------
    AssertionError
        If a gradient is wrong: names the input, the element, and both values.
    TypeError
        If no input is of floats, or the result is no Tensor.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.autograd import gradcheck
    >>> gradcheck(lambda x: (x * x).sum(), np.array([1.0, 2.0]))
    True
    """
    given = [inputs] if isinstance(inputs, (Tensor, np.ndarray)) else list(inputs)
    tensors = _prepared(given)
    checked = [i for i, tensor in enumerate(tensors) if tensor._requires_grad]
    if not checked:
        raise TypeError("gradcheck: inputs must have one of floats at least")
    with backend("numpy"):
        weights = _run(function, tensors)
        for position in checked:
            grad = tensors[position]._grad
            analytic = np.zeros(tensors[position].shape) if grad is None else grad._data
            numeric = _differences(function, tensors, position, weights, eps)
            _compare(position, analytic, numeric, atol, rtol)
    return True


def _run(function: Callable[..., Tensor], tensors: list[Tensor]) -> Array:
    """Compute the gradients, and return the weights of the result's elements."""
    result = function(*tensors)
    if not isinstance(result, Tensor):
        raise TypeError(
            f"gradcheck: function must return a Tensor, got {type(result).__name__}"
        )
    weights = np.random.default_rng(0).uniform(0.5, 1.5, result.shape)
    if result._requires_grad:
        result.backward(weights)
    return weights


def _prepared(given: Sequence[Tensor | Array]) -> list[Tensor]:
    """Return new float64 leaves, and the other inputs as they are."""
    chosen = any(isinstance(x, Tensor) and x._requires_grad for x in given)
    tensors = []
    for x in given:
        array = x._data if isinstance(x, Tensor) else np.asarray(x)
        if array.dtype.kind != "f":
            tensors.append(Tensor(array))
            continue
        wanted = x._requires_grad if isinstance(x, Tensor) else True
        wanted = wanted or not chosen
        tensors.append(Tensor(array.astype(np.float64), requires_grad=wanted))
    return tensors


def _differences(
    function: Callable[..., Tensor],
    tensors: list[Tensor],
    position: int,
    weights: Array,
    eps: float,
) -> Array:
    """Return the central differences by each element of one input."""
    start = tensors[position]._data
    numeric = np.empty(start.shape)

    def value(element: tuple[int, ...], step: float) -> float:
        moved = start.copy()
        moved[element] += step
        arguments = [*tensors]
        arguments[position] = Tensor(moved)
        return float((function(*arguments)._data * weights).sum())

    with no_grad():
        for element in np.ndindex(start.shape):
            rise = value(element, eps) - value(element, -eps)
            numeric[element] = rise / (2 * eps)
    return numeric


def _compare(
    position: int, analytic: Array, numeric: Array, atol: float, rtol: float
) -> None:
    wrong = ~np.isclose(analytic, numeric, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return
    off = np.where(wrong, np.abs(analytic - numeric), -1.0)
    off[np.isnan(off)] = np.inf
    worst = np.unravel_index(int(off.argmax()), off.shape)
    element = tuple(int(i) for i in worst)
    raise AssertionError(
        f"gradcheck: gradient of input {position} is wrong in {int(wrong.sum())} of "
        f"{wrong.size} elements; at {element} it is analytic "
        f"{float(analytic[worst]):.9g}, numeric {float(numeric[worst]):.9g}"
    )
