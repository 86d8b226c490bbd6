"""Layers with several inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import nn
from tilewright.autograd import Tensor, pointwise
from tilewright.autograd.joining import concatenate
from tilewright.keras.layers.layer import Layer, Shape


class _Folded(nn.Module):
    """An operation of two, from the first input to the last."""

    def forward(self, *inputs: Any) -> Tensor:
        """Compute."""
        total = inputs[0] if isinstance(inputs[0], Tensor) else Tensor(inputs[0])
        for each in inputs[1:]:
            total = self.combine(total, each)
        return total

    def combine(self, a: Tensor, b: Any) -> Any:
        """The operation."""
        raise NotImplementedError


class _Sum(_Folded):
    def combine(self, a: Tensor, b: Any) -> Any:
        """Add."""
        return a + b


class _Difference(_Folded):
    def combine(self, a: Tensor, b: Any) -> Any:
        """Subtract."""
        return a - b


class _Product(_Folded):
    def combine(self, a: Tensor, b: Any) -> Any:
        """Multiply."""
        return a * b


class _Mean(_Sum):
    def forward(self, *inputs: Any) -> Tensor:
        """Add and divide."""
        return super().forward(*inputs) / float(len(inputs))


class _Larger(_Folded):
    def combine(self, a: Tensor, b: Any) -> Any:
        """The larger."""
        return pointwise.maximum(a, b)


class _Smaller(_Folded):
    def combine(self, a: Tensor, b: Any) -> Any:
        """The smaller."""
        return pointwise.minimum(a, b)


class _Joined(nn.Module):
    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, *inputs: Any) -> Tensor:
        """Join along the axis."""
        tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
        return concatenate(tensors, self.axis)


class _Merging(Layer):
    """What all have in common."""

    def infer(self, shapes: list[Shape]) -> Shape:
        """Shape of the output, by samples of zeros."""
        if len(shapes) < 2:
            raise ValueError(f"{self.name}: needs a list of at least two inputs")
        y = self.parts[0](*(np.zeros((1, *shape), np.float32) for shape in shapes))
        return tuple(y.shape[1:])

    def run(self, x: Any, training: bool) -> Tensor:
        """Compute with a list of arrays or tensors."""
        arrays = [v if isinstance(v, Tensor) else np.asarray(v, np.float32) for v in x]
        self.build(arrays[0].shape)
        return self.parts[0](*arrays)  # type: ignore[no-any-return]


class Add(_Merging):
    """The sum of the inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import layers
    >>> layers.Add()([np.ones((1, 2)), np.ones((1, 2))])
    tensor([[2., 2.]])
    """

    def make(self, shape: Shape) -> list[nn.Module]:
        """The sum."""
        return [_Sum()]


class Subtract(_Merging):
    """The first of two inputs without the second."""

    def infer(self, shapes: list[Shape]) -> Shape:
        """Shape of the output."""
        if len(shapes) != 2:
            raise ValueError(f"{self.name}: needs a list of two inputs")
        return super().infer(shapes)

    def make(self, shape: Shape) -> list[nn.Module]:
        """The difference."""
        return [_Difference()]


class Multiply(_Merging):
    """The product of the inputs, element by element."""

    def make(self, shape: Shape) -> list[nn.Module]:
        """The product."""
        return [_Product()]


class Average(_Merging):
    """The mean of the inputs."""

    def make(self, shape: Shape) -> list[nn.Module]:
        """The mean."""
        return [_Mean()]


class Maximum(_Merging):
    """The largest of the inputs, element by element."""

    def make(self, shape: Shape) -> list[nn.Module]:
        """The maximum."""
        return [_Larger()]


class Minimum(_Merging):
    """The smallest of the inputs, element by element."""

    def make(self, shape: Shape) -> list[nn.Module]:
        """The minimum."""
        return [_Smaller()]


class Concatenate(_Merging):
    """The inputs joined along an axis.

    Parameters
    ----------
    axis : int, default -1
    name, input_shape, trainable
        As in :class:`Layer`.
    """

    def __init__(self, axis: int = -1, **general: Any) -> None:
        super().__init__(**general)
        self.axis = axis

    def make(self, shape: Shape) -> list[nn.Module]:
        """The joining."""
        return [_Joined(self.axis)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "axis": self.axis}


def add(inputs: list[Any]) -> Any:
    """Add inputs, as a layer."""
    return Add()(inputs)


def subtract(inputs: list[Any]) -> Any:
    """The first of two inputs without the second, as a layer."""
    return Subtract()(inputs)


def multiply(inputs: list[Any]) -> Any:
    """Multiply inputs, as a layer."""
    return Multiply()(inputs)


def average(inputs: list[Any]) -> Any:
    """The mean of inputs, as a layer."""
    return Average()(inputs)


def maximum(inputs: list[Any]) -> Any:
    """The largest of inputs, as a layer."""
    return Maximum()(inputs)


def minimum(inputs: list[Any]) -> Any:
    """The smallest of inputs, as a layer."""
    return Minimum()(inputs)


def concatenate_layers(inputs: list[Any], axis: int = -1) -> Any:
    """Join inputs, as a layer; ``layers.concatenate``."""
    return Concatenate(axis)(inputs)
