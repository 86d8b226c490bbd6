"""What has been read of an ONNX file, and how its values lie here.

Values have the layout of this library, channels last, whatever they have in the file.
A value therefore remembers how its axes, or its features, stand there; what a node
says of axes and features is translated. Where that cannot be done the value itself is
first brought into the file's layout (`State.plain`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.interop.onnx.exporter import PRODUCER
from tilewright.interop.onnx.graph import TO_FIRST, TO_LAST
from tilewright.interop.onnx.network import Network, Step
from tilewright.interop.onnx.nodes import File, FileShape, Node, UnsupportedError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Read:
    """A value that has been read.

    Attributes
    ----------
    place : int
        Its number among the values of the network.
    shape : tuple or None
        In the file, with None for what is not known.
    first : bool
        Whether images or sequences have their channels first in the file.
    order : ndarray or None
        Of features that were flattened with their channels first: feature ``i`` of the
        file is our feature ``order[i]``. None where there is no difference.
    pooled : bool
        Whether it comes from global pooling: in the file it still has extents of 1.
    """

    place: int
    shape: FileShape | None
    first: bool = False
    order: Array | None = None
    pooled: bool = False

    @property
    def rank(self) -> int | None:
        """Axes in the file, the batch's included."""
        return None if self.shape is None else len(self.shape)

    @property
    def extents(self) -> FileShape:
        """Extents here, without the batch's; () where they are unknown."""
        if self.shape is None:
            return ()
        shape = self.shape
        if self.first and len(shape) in TO_LAST:
            shape = tuple(shape[axis] for axis in TO_LAST[len(shape)])
        return shape[1:]

    def lies_like(self, other: Read) -> bool:
        """Whether both lie in the same way."""
        if (self.first, self.pooled) != (other.first, other.pooled):
            return False
        if self.order is None or other.order is None:
            return self.order is other.order
        return np.array_equal(self.order, other.order)


class State:
    """Layers and functions so far.

    Parameters
    ----------
    file : File

    Attributes
    ----------
    values : dict of str to Read
        By their names in the file.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self.values: dict[str, Read] = {}
        self._done: set[int] = set()
        self._layers: list[nn.Module] = []
        self._constants: dict[str, Array] = {}
        self._steps: list[Step] = []
        self._ours = file.producer == PRODUCER
        for place, (name, shape) in enumerate(file.inputs):
            first = len(shape or ()) == 4 and not self._ours
            if first and all(
                user.operator == "Transpose"
                and tuple(user.options.get("perm", ())) == TO_FIRST[4]
                for user in file.users(name)
            ):
                first = False  # the file's input is laid out as ours
            self.values[name] = Read(place, shape, first)

    # What a node takes.

    def value(self, node: Node, position: int = 0) -> Read:
        """The value that a node takes at a position."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        if name not in self.values:
            raise UnsupportedError(
                f"{node}: input {position} is not a value known here"
            )
        return self.values[name]

    def images(self, node: Node, position: int = 0) -> Read:
        """A value that is images, channels first in the file."""
        x = self.spread(self.value(node, position))
        if x.rank not in (None, 4):
            raise UnsupportedError(f"{node}: expected images, got {x.shape}")
        return x if x.first else self._turned(x)

    def spread(self, x: Read) -> Read:
        """A value that is no longer without the extents of 1."""
        if not x.pooled:
            return x
        y = self.apply("reshape", [x], x.shape, shape=[-1, 1, 1, self._channels(x)])
        return replace(y, first=True)

    def plain(self, x: Read) -> Read:
        """A value that lies here as it does in the file."""
        x = self.spread(x)
        if x.first:
            order = TO_FIRST.get(x.rank or 0)
            if order is None:
                raise UnsupportedError(f"the rank of a value is unknown: {x.shape}")
            x = self.apply("permute", [x], x.shape, order=order)
        if x.order is not None:
            x = self.apply("item", [x], x.shape, index=(slice(None), x.order))
        return x

    def turned_back(self, y: Read, *before: Read) -> Read:
        """What was made of plain values, as images again if those had been images."""
        turn = y.rank == 4 and not y.first and any(x.first for x in before)
        return self._turned(y) if turn else y

    def _turned(self, x: Read) -> Read:
        """Images that lie here with their channels first too, put channels last."""
        x = self.apply("permute", [x], x.shape, order=TO_LAST[4])
        return replace(x, first=True)

    def _channels(self, x: Read) -> int:
        if x.shape is None or x.shape[1] is None:
            raise UnsupportedError("the number of channels of a value is unknown")
        return x.shape[1]

    # What becomes of it.

    def add(self, layer: nn.Module, node: Node, x: Read) -> None:
        """Put a layer behind a value, for a node."""
        self._layers.append(layer)
        self._steps.append((len(self._layers) - 1, [x.place]))
        self.name(node, replace(x, place=self._last(), shape=node.shape))

    def apply(
        self,
        function: str,
        operands: list[Any],
        shape: FileShape | None,
        /,
        **options: Any,
    ) -> Read:
        """Put a function behind values and arrays; the result lies as in the file."""
        places: list[int | str] = [
            each.place if isinstance(each, Read) else each for each in operands
        ]
        self._steps.append(((function, options), places))
        return Read(self._last(), shape)

    def constant(self, array: Array) -> str:
        """Keep an array as a buffer, floats as float32, and return its name."""
        kind = np.float32 if array.dtype.kind == "f" else array.dtype
        name = f"constant_{len(self._constants)}"
        self._constants[name] = np.array(array, kind)
        return name

    def name(self, node: Node, y: Read) -> None:
        """Give the value that a node makes its name."""
        self.values[node.outputs[0]] = y

    def done(self, node: Node) -> None:
        """Take a node as read, for it was read with the one before it."""
        self._done.add(id(node))

    def to_read(self) -> Iterator[Node]:
        """The nodes one after the other, without those that are done."""
        return (node for node in self.file.nodes if id(node) not in self._done)

    def _last(self) -> int:
        return len(self.file.inputs) + len(self._steps) - 1

    # The whole.

    def finish(self) -> nn.Module:
        """The model: a Sequential where it is layers in a row."""
        outputs: dict[str, int] = {}
        for name in self.file.outputs:
            if name not in self.values:
                raise UnsupportedError(f"output {name!r} is a constant")
            y = self.spread(self.values[name])
            if y.order is not None or (y.first and (self._ours or y.rank != 4)):
                y = self.plain(y)
            outputs[name] = y.place
        count = len(self.file.inputs)
        steps, layers = self._steps, self._layers
        row = [
            place == [before] and isinstance(action, int)
            for before, (action, place) in enumerate(steps)
        ]
        if count == 1 and list(outputs.values()) == [len(steps)] and all(row):
            return nn.Sequential(*layers).eval()
        return Network(count, steps, layers, self._constants, outputs).eval()
