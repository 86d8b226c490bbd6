"""What has been read of an ONNX file, and how the values lie at this point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.interop.onnx.chain import Chain, Node, UnsupportedError
from tilewright.interop.onnx.exporter import PRODUCER
from tilewright.interop.onnx.graph import TO_FIRST, TO_LAST

Array = NDArray[Any]


class State:
    """Layers so far, and the layout of the value behind them in the file.

    Parameters
    ----------
    chain : Chain

    Attributes
    ----------
    chain : Chain
    rank : int or None
        Axes of the value, the batch's included.
    first : bool
        Whether images or sequences are channels first.
    pixels, channels : int
        Of images flattened with their channels first, whose order is another here;
        1 where that makes no difference.
    pooled : bool
        Whether the value is of global pooling, with extents of 1 still to go.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._layers: list[nn.Module] = []
        self._last_shape = chain.input_shape
        self.rank = None if chain.input_shape is None else len(chain.input_shape)
        self.first = self.rank == 4 and chain.producer != PRODUCER
        self.pixels = self.channels = 1
        self.pooled = False

    def add(self, layer: nn.Module, node: Node) -> None:
        """Append a layer, and go on behind its node."""
        self._layers.append(layer)
        self.follow(node)

    def follow(self, node: Node) -> None:
        """Go on behind a node."""
        self._last_shape = node.shape
        if node.shape is not None:
            self.rank = len(node.shape)

    def set(self, node: Node, layer: nn.Module, **arrays: Array | None) -> None:
        """Append a layer with these weights."""
        state = layer.state_dict()
        for name, array in arrays.items():
            if array is not None:
                state[name] = np.asarray(array)
        layer.load_state_dict(state)
        self.add(layer, node)

    def extents(self) -> tuple[int | None, ...]:
        """Extents of the value, channels last, without the batch's."""
        if self._last_shape is None:
            return ()
        shape = self._last_shape
        if self.first and len(shape) in TO_LAST:
            shape = tuple(shape[axis] for axis in TO_LAST[len(shape)])
        return shape[1:]

    def images(self, node: Node) -> None:
        """Make sure that the value is images, channels first."""
        if self.pooled or self.rank not in (None, 4):
            raise UnsupportedError(f"{node}: expected images, got {self._last_shape}")
        if not self.first:
            raise UnsupportedError(f"{node}: expected images with channels first")

    def features_last(self, node: Node) -> None:
        """Make sure that the last axis has the features."""
        if self.first or self.pooled:
            raise UnsupportedError(f"{node}: expected the features in the last axis")

    def transpose(self, node: Node) -> None:
        """Follow a change between the two layouts."""
        order = tuple(node.options.get("perm", ()))
        rank = len(order)
        if self.pooled:
            raise UnsupportedError(f"{node}: axes of pooled values cannot be exchanged")
        if order == tuple(range(rank)):
            return
        if not self._layers and order == TO_FIRST.get(rank):
            self.first = False  # the file's input is laid out as ours
        if order == TO_FIRST.get(rank) and not self.first:
            self.first = True
        elif order == TO_LAST.get(rank) and self.first:
            self.first = False
        else:
            raise UnsupportedError(f"{node}: no layer exchanges axes {order}")
        self.follow(node)

    def flatten(self, node: Node) -> None:
        """Follow the joining of all axes but the batch's."""
        if self.pooled:
            self.pooled = self.first = False
            self.rank = 2
            self.follow(node)
            return
        if self.rank == 2:
            self.follow(node)
            return
        if self.first:
            *extents, channels = self.extents() or (None,)
            if channels is None or None in extents:
                raise UnsupportedError(f"{node}: the extents of its input are unknown")
            self.channels = channels
            self.pixels = int(np.prod([size or 0 for size in extents]))
            if 1 in (self.pixels, self.channels):
                self.pixels = self.channels = 1
        self.first = False
        self.add(nn.Flatten(), node)

    def rows(self, array: Array, node: Node) -> Array:
        """An array whose first axis is of features, in the order they have here."""
        if self.channels == 1:
            return array
        if array.shape[0] != self.pixels * self.channels:
            raise UnsupportedError(
                f"{node}: expected {self.pixels * self.channels} features, got "
                f"{array.shape[0]}"
            )
        planes = array.reshape(self.channels, self.pixels, *array.shape[1:])
        return np.ascontiguousarray(planes.swapaxes(0, 1)).reshape(array.shape)

    def mixed(self) -> None:
        """From here on no feature belongs to a pixel."""
        self.pixels = self.channels = 1

    def finish(self) -> nn.Sequential:
        """The model."""
        if self.channels > 1:
            raise UnsupportedError(
                "it ends with flattened images, whose order is another here"
            )
        if self.pooled:
            raise UnsupportedError(
                "it ends with pooled images, whose two extents of 1 are left out here"
            )
        return nn.Sequential(*self._layers).eval()
