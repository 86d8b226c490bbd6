"""The module that an ONNX file with branches becomes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor, concatenate, maximum, minimum

Array = NDArray[Any]

# A layer's number in the list, or a function's name with its options; and what goes
# in: numbers of values, or names of buffers.
Step = tuple[int | tuple[str, dict[str, Any]], list[int | str]]


class Network(nn.Module):
    """Layers and functions, each with what it takes from those before.

    Parameters
    ----------
    inputs : int
        Number of inputs.
    steps : list
    layers : sequence of Module
    constants : dict of str to ndarray
        Become buffers.
    outputs : dict of str to int
        Numbers of the values that are returned. The inputs are the first values, each
        step makes one more.
    """

    def __init__(
        self,
        inputs: int,
        steps: list[Step],
        layers: Sequence[nn.Module],
        constants: dict[str, Array],
        outputs: dict[str, int],
    ) -> None:
        self.layers = nn.ModuleList(layers)
        self.inputs = inputs
        self.outputs = outputs
        self._steps = steps
        for name, array in constants.items():
            self.register_buffer(name, array)

    def forward(self, *inputs: Any) -> Any:
        """Run the steps.

        Parameters
        ----------
        *inputs : Tensor or ndarray
            In the file's order; images channels last.

        Returns
        -------
        Tensor, tuple of Tensor or dict of str to Tensor
            One output by itself; several in a tuple where the file has numbered
            them, ``y0``, ``y1`` and so on, else in a dict by their names.

        Raises
        ------
        ValueError
            If there are more or fewer inputs than the file has, or one does not fit.
        """
        if len(inputs) != self.inputs:
            raise ValueError(f"expected {self.inputs} inputs, got {len(inputs)}")
        values: list[Any] = [
            x if isinstance(x, Tensor) else Tensor(np.asarray(x)) for x in inputs
        ]
        for action, places in self._steps:
            operands = [
                values[place] if isinstance(place, int) else self._constant(place)
                for place in places
            ]
            if isinstance(action, int):
                values.append(self.layers[action](*operands))
            else:
                name, options = action
                values.append(FUNCTIONS[name](*operands, **options))
        found = {name: values[place] for name, place in self.outputs.items()}
        if len(found) == 1:
            return next(iter(found.values()))
        if list(found) == [f"y{number}" for number in range(len(found))]:
            return tuple(found.values())
        return found

    def _constant(self, name: str) -> Any:
        array = self.__dict__[name]
        return Tensor(array) if array.ndim else array[()]

    def extra_repr(self) -> str:
        """What goes in, and how it is joined."""
        names = [f"x{number}" for number in range(self.inputs)]
        lines = [f"inputs={self.inputs}, outputs={list(self.outputs)}"]
        for number, (action, places) in enumerate(self._steps, self.inputs):
            what = f"layers.{action}" if isinstance(action, int) else action[0]
            taken = [names[p] if isinstance(p, int) else p for p in places]
            names.append(f"v{number}")
            lines.append(f"v{number} = {what}({', '.join(taken)})")
        return "\n  ".join(lines)


def _permute(x: Tensor, order: tuple[int, ...]) -> Tensor:
    return x.permute(*order)


def _reshape(x: Tensor, shape: list[int]) -> Tensor:
    """Reshape; 0 keeps an extent."""
    return x.reshape(*[x.shape[a] if n == 0 else n for a, n in enumerate(shape)])


def _expand(x: Tensor, shape: list[int]) -> Tensor:
    """Repeat; an extent of 1 leaves that of x."""
    return x.broadcast_to(*np.broadcast_shapes(x.shape, tuple(shape)))


def _pad(x: Tensor, pads: list[tuple[int, int]], value: float) -> Tensor:
    """Put so many elements of one value before and after those of each axis."""
    for axis, sides in enumerate(pads):
        pieces = [x]
        for side, extent in enumerate(sides):
            if extent:
                shape = [*x.shape[:axis], extent, *x.shape[axis + 1 :]]
                edge = Tensor(np.full(shape, value, x.dtype))
                pieces.insert(0 if side == 0 else len(pieces), edge)
        if len(pieces) > 1:
            x = concatenate(pieces, axis)
    return x


def _item(x: Tensor, index: tuple[Any, ...]) -> Tensor:
    return x[index]


def _joined(*pieces: Tensor, axis: int) -> Tensor:
    return concatenate(list(pieces), axis)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "abs": operator.abs,
    "add": operator.add,
    "clip": Tensor.clip,
    "concatenate": _joined,
    "divide": operator.truediv,
    "exp": Tensor.exp,
    "expand": _expand,
    "item": _item,
    "log": Tensor.log,
    "matmul": operator.matmul,
    "max": Tensor.max,
    "maximum": maximum,
    "mean": Tensor.mean,
    "min": Tensor.min,
    "minimum": minimum,
    "multiply": operator.mul,
    "negative": operator.neg,
    "pad": _pad,
    "permute": _permute,
    "power": operator.pow,
    "reshape": _reshape,
    "sqrt": Tensor.sqrt,
    "subtract": operator.sub,
    "sum": Tensor.sum,
}
