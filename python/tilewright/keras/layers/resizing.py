"""Images enlarged, framed and cut."""

from __future__ import annotations

from typing import Any

from tilewright import nn
from tilewright.autograd import Tensor
from tilewright.keras.layers.convolution import pair
from tilewright.keras.layers.layer import Layer, Shape
from tilewright.keras.layers.pooling import Framed

Sides = tuple[tuple[int, int], tuple[int, int]]


def _sides(name: str, value: Any) -> Sides:
    """Rows above and below, columns left and right."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    top, left = (pair(each) for each in both)
    if min(*top, *left) < 0:
        raise ValueError(f"{name}: rows and columns must be >= 0, got {value!r}")
    return top, left


class _Repeated(nn.Module):
    """Each pixel as a block of its own."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def forward(self, x: Any) -> Tensor:
        """Repeat."""
        y = x if isinstance(x, Tensor) else Tensor(x)
        N, H, W, C = y.shape
        rows, columns = self.size
        blocks = y.reshape(N, H, 1, W, 1, C).broadcast_to((N, H, rows, W, columns, C))
        return blocks.reshape(N, H * rows, W * columns, C)


class UpSampling2D(Layer):
    """Images enlarged: each pixel becomes a block of pixels.

    Parameters
    ----------
    size : int or pair, default 2
        Rows and columns of the block.
    interpolation : {"nearest"}
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If the interpolation is another one.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import layers
    >>> layers.UpSampling2D()(np.zeros((1, 3, 3, 2))).shape
    (1, 6, 6, 2)
    """

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **general: Any,
    ) -> None:
        super().__init__(**general)
        if interpolation != "nearest" or data_format not in (None, "channels_last"):
            raise ValueError(
                "UpSampling2D: interpolation must be 'nearest' and data_format "
                f"'channels_last', got {interpolation!r} and {data_format!r}"
            )
        self.size = pair(size)

    def make(self, shape: Shape) -> list[nn.Module]:
        """A module of its own."""
        return [_Repeated(self.size)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "size": list(self.size)}


class ZeroPadding2D(Layer):
    """Rows and columns of zeros around images.

    Parameters
    ----------
    padding : int, pair, or pair of pairs, default 1
        Of all sides, of rows and columns, or ((above, below), (left, right)).
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If a number is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import layers
    >>> layers.ZeroPadding2D(((1, 0), (2, 2)))(np.ones((1, 3, 3, 1))).shape
    (1, 4, 7, 1)
    """

    def __init__(self, padding: Any = (1, 1), **general: Any) -> None:
        super().__init__(**general)
        self.padding = _sides("ZeroPadding2D", padding)

    def make(self, shape: Shape) -> list[nn.Module]:
        """The frame."""
        return [Framed(list(self.padding), 0.0)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "padding": [list(s) for s in self.padding]}


class _Cut(nn.Module):
    """Images without some rows and columns at their edges."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides

    def forward(self, x: Any) -> Any:
        """Cut."""
        y = x if isinstance(x, Tensor) else Tensor(x)
        rows, columns = (
            slice(first, extent - last)
            for (first, last), extent in zip(self.sides, y.shape[1:3], strict=True)
        )
        return y[:, rows, columns]


class Cropping2D(Layer):
    """Images without some rows and columns at their edges.

    Parameters
    ----------
    cropping : int, pair, or pair of pairs, default 0
        Of all sides, of rows and columns, or ((above, below), (left, right)).
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If a number is negative, or nothing is left.
    """

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), **general: Any) -> None:
        super().__init__(**general)
        self.cropping = _sides("Cropping2D", cropping)

    def make(self, shape: Shape) -> list[nn.Module]:
        """The cut."""
        if any(
            sum(sides) >= extent
            for sides, extent in zip(self.cropping, shape[:2], strict=True)
        ):
            raise ValueError(
                f"Cropping2D: cropping {self.cropping} leaves nothing of {shape}"
            )
        return [_Cut(self.cropping)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "cropping": [list(s) for s in self.cropping]}
