"""Convolutions of images."""

from __future__ import annotations

from typing import Any

from tilewright import nn
from tilewright.keras import activations, initializers, regularizers
from tilewright.keras.layers.core import fill, weight_config, with_activation
from tilewright.keras.layers.layer import Layer, Shape, on_its_device


def pair(value: Any) -> tuple[int, int]:
    """An int or a pair as a pair."""
    if isinstance(value, int):
        return value, value
    rows, columns = value
    return int(rows), int(columns)


class _Convolution(Layer):
    """What the two have in common."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
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
        self.kernel_size, self.strides = pair(kernel_size), pair(strides)
        self.padding, self.dilation_rate = padding, pair(dilation_rate)
        self.activation = activations.name_of(activation)
        activations.get(self.activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {
            **super().get_config(),
            **weight_config(self),
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "dilation_rate": list(self.dilation_rate),
        }


class Conv2D(_Convolution):
    """A convolution of images, and the activation after it.

    Parameters
    ----------
    filters : int
    kernel_size : int or pair
    strides, dilation_rate : int or pair, default 1
    padding : {"valid", "same"}, default "valid"
    groups : int, default 1
    activation : str or callable, optional
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default ``"glorot_uniform"`` and ``"zeros"``.
    kernel_regularizer, bias_regularizer : str or penalty, optional
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
    >>> layers.Conv2D(8, 3, padding="same")(np.zeros((1, 6, 6, 3))).shape
    (1, 6, 6, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            **options,
        )
        self.filters = filters
        self.groups = groups

    def make(self, shape: Shape) -> list[nn.Module]:
        """A Conv2d and the activation."""
        conv = nn.Conv2d(
            shape[-1],
            self.filters,
            self.kernel_size,
            self.strides,
            self.padding,
            self.dilation_rate,
            self.groups,
            self.use_bias,
        )
        rows, columns = self.kernel_size
        taps = rows * columns
        fill(self, conv, (taps * shape[-1] // self.groups, taps * self.filters))
        return with_activation(conv, self.activation)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        own = {"filters": self.filters, "groups": self.groups}
        return {**super().get_config(), **own}


class DepthwiseConv2D(_Convolution):
    """A convolution of each channel by itself, and the activation after it.

    Parameters
    ----------
    kernel_size : int or pair
    strides, dilation_rate : int or pair, default 1
    padding : {"valid", "same"}, default "valid"
    depth_multiplier : int, default 1
        Filters a channel.
    activation : str or callable, optional
    use_bias : bool, default True
    depthwise_initializer, bias_initializer : str or Initializer
        By default ``"glorot_uniform"`` and ``"zeros"``.
    depthwise_regularizer, bias_regularizer : str or penalty, optional
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
    >>> layers.DepthwiseConv2D(3, depth_multiplier=2)(np.zeros((1, 6, 6, 3))).shape
    (1, 4, 4, 6)
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        depthwise_initializer: Any = "glorot_uniform",
        depthwise_regularizer: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            kernel_initializer=depthwise_initializer,
            kernel_regularizer=depthwise_regularizer,
            **options,
        )
        self.depth_multiplier = depth_multiplier

    def make(self, shape: Shape) -> list[nn.Module]:
        """A DepthwiseConv2d and the activation."""
        conv = nn.DepthwiseConv2d(
            shape[-1],
            self.kernel_size,
            self.strides,
            self.padding,
            self.dilation_rate,
            self.depth_multiplier,
            self.use_bias,
        )
        taps = self.kernel_size[0] * self.kernel_size[1]
        fill(self, conv, (taps * shape[-1], taps * self.depth_multiplier))
        return with_activation(conv, self.activation)

    def keras_shape(self, name: str, shape: Shape) -> Shape:
        """Kernels are (R, S, C, multiplier) there."""
        if name != "weight":
            return shape
        rows, columns, _, outputs = shape
        multiplier = self.depth_multiplier
        return rows, columns, outputs // multiplier, multiplier

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        config = super().get_config()
        for name in ("initializer", "regularizer"):
            config[f"depthwise_{name}"] = config.pop(f"kernel_{name}")
        return {**config, "depth_multiplier": self.depth_multiplier}


class SeparableConv2D(_Convolution):
    """A convolution of each channel by itself, then one of all of them by pixels.

    Parameters
    ----------
    filters : int
    kernel_size : int or pair
    strides, dilation_rate : int or pair, default 1
    padding : {"valid", "same"}, default "valid"
    depth_multiplier : int, default 1
        Filters a channel of the first one.
    activation : str or callable, optional
    use_bias : bool, default True
    depthwise_initializer, pointwise_initializer, bias_initializer
        By default ``"glorot_uniform"`` twice and ``"zeros"``.
    depthwise_regularizer, pointwise_regularizer, bias_regularizer, optional
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
    >>> layers.SeparableConv2D(8, 3)(np.zeros((1, 6, 6, 3))).shape
    (1, 4, 4, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **general: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            pointwise_initializer,
            bias_initializer,
            pointwise_regularizer,
            bias_regularizer,
            **general,
        )
        self.filters = filters
        self.depth_multiplier = depth_multiplier
        self._first = DepthwiseConv2D(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            dilation_rate=dilation_rate,
            depthwise_initializer=depthwise_initializer,
            depthwise_regularizer=depthwise_regularizer,
            use_bias=False,
        )

    def make(self, shape: Shape) -> list[nn.Module]:
        """Both convolutions and the activation."""
        channels = shape[-1] * self.depth_multiplier
        second = nn.Conv2d(channels, self.filters, 1, bias=self.use_bias)
        fill(self, second, (channels, self.filters))
        return [*self._first.make(shape), *with_activation(second, self.activation)]

    @property
    @on_its_device
    def weights(self) -> list[Any]:
        """The arrays of the weights themselves, in their shapes in Keras."""
        found = super().weights
        if not found:
            return []
        first, *others = found
        return [first.reshape(self._first.keras_shape("weight", first.shape)), *others]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        config = super().get_config()
        for name in ("initializer", "regularizer"):
            config[f"pointwise_{name}"] = config.pop(f"kernel_{name}")
            config[f"depthwise_{name}"] = vars(self._first)[f"kernel_{name}"]
        own = {"filters": self.filters, "depth_multiplier": self.depth_multiplier}
        return {**config, **own}
