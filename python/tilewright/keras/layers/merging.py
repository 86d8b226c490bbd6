"""Layers with several inputs."""

from __future__ import annotations

from typing import Any

from tilewright import nn
from tilewright.autograd import Tensor
from tilewright.autograd.joining import concatenate
from tilewright.keras.layers.layer import Layer, Shape


class _Sum(nn.Module):
    def forward(self, *inputs: Any) -> Tensor:
        """Add."""
        total = inputs[0]
        for each in inputs[1:]:
            total = total + each
        return total if isinstance(total, Tensor) else Tensor(total)


class _Joined(nn.Module):
    def __init__(self, axis: int) -> None:
        self.axis = axis

    def forward(self, *inputs: Any) -> Tensor:
        """Join along the axis."""
        tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
        return concatenate(tensors, self.axis)


class _Merging(Layer):
    """What both have in common."""

    def infer(self, shapes: list[Shape]) -> Shape:
        """Shape of the output, by samples of zeros."""
        import numpy as np

        if len(shapes) < 2:
            raise ValueError(f"{self.name}: needs a list of at least two inputs")
        y = self.parts[0](*(np.zeros((1, *shape), np.float32) for shape in shapes))
        return tuple(y.shape[1:])

    def run(self, x: Any, training: bool) -> Tensor:
        """Compute with a list of arrays or tensors."""
        import numpy as np

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


def concatenate_layers(inputs: list[Any], axis: int = -1) -> Any:
    """Join inputs, as a layer; ``layers.concatenate``."""
    return Concatenate(axis)(inputs)
