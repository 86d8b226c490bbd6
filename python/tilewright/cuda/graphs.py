"""Functions whose work on a GPU is captured in a CUDA graph and then launched as one.

A small network's step is some dozens of kernels, and to launch them one by one from
Python takes longer than they do. A graph of them is one launch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tilewright.autograd import Tensor
from tilewright.autograd.grad_mode import is_grad_enabled
from tilewright.errors import CaptureError
from tilewright.kernels import capturing, devices
from tilewright.kernels.capture import Capture
from tilewright.kernels.device_arrays import device_of, is_array, on_device
from tilewright.nn.module import Structure

Array: TypeAlias = NDArray[Any]
Signature: TypeAlias = tuple[Any, ...]

_MOST_GRAPHS = 8
_HINT = (
    "a captured function must not wait for the GPU (item(), float(), a condition on "
    "elements, an index by a mask, printing) nor copy to the CPU"
)


def graph(function: Callable[..., Any]) -> Graphed:
    """Capture what a function launches on a GPU, and launch it as one from then on.

    The first call with inputs of a shape runs the function as it is; the second
    captures it in a CUDA graph and launches that; the ones after it copy their inputs
    to where those of the second were and launch the graph, and the function's Python
    code does not run. Other shapes have graphs of their own. After a change of an
    attribute of any module (such as by ``model.eval()``), of a parameter's array or
    of an option of an optimizer other than learning rates and the like it is captured
    anew. Dropout draws new numbers in each run, and an optimizer's steps are counted.

    Parameters
    ----------
    function : callable
        Of CuPy arrays and Tensors on a GPU, such as a whole training step. It returns
        arrays, Tensors, None, or tuples, lists and dicts of them.

    Returns
    -------
    Graphed
        To be called as the function is. What it returns are arrays of its own, and
        Tensors without history.

    Raises
    ------
    TypeError
        If it is no function.

    Notes
    -----
    The work of the function must be the same at each call: Python numbers that it
    reads, and which way its conditions took, are those of the captured call.
    ``optimizer.zero_grad()`` belongs inside of it. This has not run on hardware yet.

    References
    ----------
    CUDA C++ Programming Guide, "CUDA Graphs".

    Examples
    --------
    >>> import tilewright as tw
    >>> def step(x, y):
    ...     loss = tw.nn.functional.cross_entropy(model(x), y)
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> step = tw.cuda.graph(step)
    >>> for x, y in loader:  # doctest: +SKIP
    ...     loss = step(x, y)
    """
    return Graphed(function)


class Graphed:
    """What :func:`graph` returns.

    Attributes
    ----------
    reason : str or None
        Why the latest call was no launch of a graph; None if it was.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(
                f"graph: function must be callable, got {type(function).__name__}"
            )
        self.reason: str | None = None
        self._function = function
        self._known: dict[Signature, _Recorded | None] = {}

    def __call__(self, *inputs: Any) -> Any:
        """Do what the function does.

        Parameters
        ----------
        *inputs : CuPy array or Tensor
            On one GPU.

        Raises
        ------
        TypeError
            If an input is none, or on another device, or the function returns
            something else.
        ValueError
            If an input requires a gradient.
        CaptureError
            If the function cannot be captured; nothing has then changed.
        """
        if capturing.current is not None:
            return self._function(*inputs)  # as a part of the graph around it
        arrays = [_array(number, value) for number, value in enumerate(inputs)]
        if not arrays:
            raise TypeError("graph: there must be an input, to say on which GPU it is")
        devices.expect_same("graph", arrays)
        signature: Signature = (
            is_grad_enabled(),
            device_of(arrays[0]),
            *((type(v), a.shape, a.dtype) for v, a in zip(inputs, arrays, strict=True)),
        )
        if signature not in self._known:
            if len(self._known) >= _MOST_GRAPHS:
                self._known.clear()
            self._known[signature] = None
            self.reason = "the first call with arrays of these shapes"
            return _mapped(self._function(*inputs), lambda array: array)
        known = self._known[signature]
        self.reason = "it was captured" if known is None else known.stale()
        if known is None or self.reason is not None:
            known = self._known[signature] = None
            known = _Recorded(self._function, inputs, arrays)
            self._known[signature] = known
            return known.run(arrays, first=True)
        return known.run(arrays)


class _Recorded:
    """A graph, where its inputs are copied to, and where it leaves its results."""

    def __init__(
        self, function: Callable[..., Any], inputs: tuple[Any, ...], arrays: list[Array]
    ) -> None:
        self._capture = Capture(device_of(arrays[0]))
        with devices.on(self._capture.device):
            self._inputs = [devices.cupy().empty(a.shape, a.dtype) for a in arrays]
        static = [
            Tensor(mine) if isinstance(given, Tensor) else mine
            for given, mine in zip(inputs, self._inputs, strict=True)
        ]
        try:
            self._result = self._capture.record(lambda: function(*static))
        except CaptureError as error:
            raise CaptureError(
                f"graph: {_name(function)} cannot be captured: {error}; {_HINT}"
            ) from error
        self._number = Structure.number

    def stale(self) -> str | None:
        """Why the graph does not hold any more, or None if it does."""
        if Structure.number != self._number:
            return "an attribute of a module has changed"
        return self._capture.stale()

    def run(self, arrays: list[Array], *, first: bool = False) -> Any:
        """Launch the graph, and return copies of its results."""
        with devices.on(self._capture.device):
            for mine, given in zip(self._inputs, arrays, strict=True):
                np.copyto(mine, given)
            self._capture.run(first=first)
            return _mapped(self._result, lambda array: array.copy())


def _array(number: int, value: Any) -> Array:
    array = value._data if isinstance(value, Tensor) else value
    if not on_device(array):
        where = f"on {device_of(array)}" if is_array(array) else type(value).__name__
        raise TypeError(
            f"graph: input {number} must be a CuPy array or a Tensor on a GPU, got "
            f"{'one ' if is_array(array) else ''}{where}"
        )
    if isinstance(value, Tensor) and value._requires_grad:
        raise ValueError(
            f"graph: input {number} must not require a gradient; use .detach()"
        )
    return array


def _mapped(value: Any, function: Callable[[Array], Array]) -> Any:
    """Apply a function to the arrays of a result."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        return Tensor(_mapped(value._data, function))
    if on_device(value):
        return function(value)
    if isinstance(value, dict):
        return {key: _mapped(each, function) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)([_mapped(each, function) for each in value])
    raise TypeError(
        "graph: the function must return CuPy arrays, Tensors on a GPU or None, or "
        f"tuples, lists and dicts of them, got {type(value).__name__}"
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
