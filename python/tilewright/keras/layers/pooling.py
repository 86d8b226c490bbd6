"""Pooling of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor
from tilewright.autograd.joining import concatenate
from tilewright.keras.layers.convolution import pair
from tilewright.keras.layers.layer import Layer, Shape

Array = NDArray[Any]


class _Pooling(Layer):
    """What maximum and mean have in common."""

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        name = type(self).__name__
        if data_format not in (None, "channels_last"):
            raise ValueError(
                f"{name}: data_format must be 'channels_last', got {data_format!r}"
            )
        if padding not in ("valid", "same"):
            raise ValueError(
                f"{name}: padding must be 'valid' or 'same', got {padding!r}"
            )
        self.pool_size = pair(pool_size)
        self.strides = self.pool_size if strides is None else pair(strides)
        self.padding = padding

    def frame(self, shape: Shape) -> list[tuple[int, int]]:
        """Rows and columns that "same" padding adds before and after."""
        found = []
        for extent, window, stride in zip(
            shape[:2], self.pool_size, self.strides, strict=True
        ):
            outputs = -(-extent // stride)
            missing = max((outputs - 1) * stride + window - extent, 0)
            found.append((missing // 2, missing - missing // 2))
        return found if self.padding == "same" else [(0, 0), (0, 0)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {
            **super().get_config(),
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
        }


def filled(like: Array, value: float, shape: Shape) -> Array:
    """An array of one value, of another's dtype and on its device."""
    return np.full_like(like, value, shape=shape, order="C")


class Framed(nn.Module):
    """Images with rows and columns of one value around them."""

    def __init__(self, frame: list[tuple[int, int]], value: float) -> None:
        self.frame = frame
        self.value = value

    def forward(self, x: Any) -> Tensor:
        """Add them."""
        y = x if isinstance(x, Tensor) else Tensor(x)
        for axis, sides in enumerate(self.frame, start=1):
            pieces = [y]
            for side, extent in enumerate(sides):
                if extent:
                    shape = list(y.shape)
                    shape[axis] = extent
                    edge = Tensor(filled(y.data, self.value, tuple(shape)))
                    pieces.insert(0 if side == 0 else len(pieces), edge)
            y = concatenate(pieces, axis) if len(pieces) > 1 else y
        return y


class MaxPooling2D(_Pooling):
    """Maximum of each window.

    Parameters
    ----------
    pool_size : int or pair, default 2
    strides : int or pair, optional
        By default the window.
    padding : {"valid", "same"}, default "valid"
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import layers
    >>> layers.MaxPooling2D(2, padding="same")(np.zeros((1, 5, 5, 3))).shape
    (1, 3, 3, 3)
    """

    def make(self, shape: Shape) -> list[nn.Module]:
        """A MaxPool2d, with a frame around the images where one is needed."""
        pool = nn.MaxPool2d(self.pool_size, self.strides)
        frame = self.frame(shape)
        if not any(any(sides) for sides in frame):
            return [pool]
        return [Framed(frame, -np.inf), pool]


class _SharedMean(nn.Module):
    """Mean over the pixels of each window that are no padding."""

    def __init__(self, frame: list[tuple[int, int]], pool: nn.AvgPool2d) -> None:
        self.framed = Framed(frame, 0.0)
        self.pool = pool

    def forward(self, x: Any) -> Tensor:
        """Divide the mean with padding by the share that is none."""
        array = x.data if isinstance(x, Tensor) else x
        ones = filled(array, 1.0, (1, *x.shape[1:3], 1))
        share = self.pool(self.framed(ones)).data
        outputs: Tensor = self.pool(self.framed(x)) * (1 / share)
        return outputs


class AveragePooling2D(_Pooling):
    """Mean of each window, over what is no padding.

    Parameters
    ----------
    pool_size : int or pair, default 2
    strides : int or pair, optional
        By default the window.
    padding : {"valid", "same"}, default "valid"
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    def make(self, shape: Shape) -> list[nn.Module]:
        """An AvgPool2d, with a frame around the images where one is needed."""
        pool = nn.AvgPool2d(self.pool_size, self.strides)
        frame = self.frame(shape)
        if not any(any(sides) for sides in frame):
            return [pool]
        return [_SharedMean(frame, pool)]


class _Global(Layer):
    def __init__(self, keepdims: bool = False, **general: Any) -> None:
        super().__init__(**general)
        if keepdims:
            raise ValueError(f"{type(self).__name__}: keepdims must be False")


class GlobalAveragePooling2D(_Global):
    """Mean of each channel over all pixels."""

    def make(self, shape: Shape) -> list[nn.Module]:
        """The layer of ours."""
        return [nn.GlobalAvgPool2d()]


class GlobalMaxPooling2D(_Global):
    """Maximum of each channel over all pixels."""

    def make(self, shape: Shape) -> list[nn.Module]:
        """The layer of ours."""
        return [nn.GlobalMaxPool2d()]
