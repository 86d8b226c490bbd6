"""Dense layers, activations, and layers that change the form alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import nn
from tilewright.keras import activations, initializers, regularizers
from tilewright.keras.layers.layer import Call, KerasTensor, Layer, Shape


class InputLayer(Layer):
    """Where a model begins."""

    def __init__(
        self,
        shape: Shape | None = None,
        *,
        input_shape: Shape | None = None,
        name: str | None = None,
    ) -> None:
        given = shape if shape is not None else input_shape
        if given is None:
            raise ValueError("InputLayer: shape must be given")
        super().__init__(name=name, input_shape=tuple(given))
        self.shape = tuple(int(extent) for extent in given)
        self.input_shape = self.output_shape = (None, *self.shape)
        self._returned = KerasTensor(self.shape, Call(self, []))

    def make(self, shape: Shape) -> list[nn.Module]:
        """No modules."""
        return []

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {"shape": list(self.shape), "name": self.name}


def Input(  # noqa: N802
    shape: Shape, name: str | None = None, dtype: Any = None
) -> KerasTensor:
    """Begin a model with samples of a shape.

    Parameters
    ----------
    shape : tuple of int
        Without the batch.
    name : str, optional
    dtype : str, optional
        Of no effect: layers compute in float32.

    Returns
    -------
    KerasTensor

    Examples
    --------
    >>> from tilewright import keras
    >>> keras.Input(shape=(28, 28, 1)).shape
    (None, 28, 28, 1)
    """
    begun: KerasTensor = InputLayer(shape, name=name).output
    return begun


class Dense(Layer):
    """``activation(x @ kernel + bias)``: a Linear, and the activation after it.

    Parameters
    ----------
    units : int
    activation : str or callable, optional
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default ``"glorot_uniform"`` and ``"zeros"``.
    kernel_regularizer, bias_regularizer : str or penalty, optional
    name, input_shape, trainable
        As in :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import layers
    >>> layers.Dense(3, activation="relu")(np.zeros((5, 2))).shape
    (5, 3)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.units = units
        self.activation = activations.name_of(activation)
        activations.get(self.activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def make(self, shape: Shape) -> list[nn.Module]:
        """A Linear and the activation."""
        linear = nn.Linear(shape[-1], self.units, self.use_bias)
        fill(self, linear, (shape[-1], self.units))
        return with_activation(linear, self.activation)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), **weight_config(self), "units": self.units}


def fill(layer: Any, module: Any, fans: tuple[int, int]) -> None:
    """Give a module the initial values and penalties that a layer asks for."""
    shape = layer.keras_shape("weight", module.weight.shape)
    kernel = layer.kernel_initializer(shape, fans)
    module.weight.data[...] = kernel.reshape(module.weight.shape)
    penalties = {"weight": layer.kernel_regularizer}
    if module.bias is not None:
        module.bias.data[...] = layer.bias_initializer(module.bias.shape, fans)
        penalties["bias"] = layer.bias_regularizer
    if any(penalties.values()):
        nn.regularize(module, **penalties)


def with_activation(module: nn.Module, activation: Any) -> list[nn.Module]:
    """A module, and the one of its activation where it has one."""
    following = activations.get(activation)
    return [module] if following is None else [module, following]


def weight_config(layer: Any) -> dict[str, Any]:
    """The arguments that layers with a kernel have in common."""
    return {
        "activation": layer.activation,
        "use_bias": layer.use_bias,
        "kernel_initializer": layer.kernel_initializer,
        "bias_initializer": layer.bias_initializer,
        "kernel_regularizer": layer.kernel_regularizer,
        "bias_regularizer": layer.bias_regularizer,
    }


class Activation(Layer):
    """An activation by itself.

    Parameters
    ----------
    activation : str or callable
    name, input_shape, trainable
        As in :class:`Layer`.
    """

    def __init__(self, activation: Any, **general: Any) -> None:
        super().__init__(**general)
        self.activation = activations.name_of(activation)
        activations.get(self.activation)

    def make(self, shape: Shape) -> list[nn.Module]:
        """The activation."""
        module = activations.get(self.activation)
        return [] if module is None else [module]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "activation": self.activation}


class ReLU(Layer):
    """``max(x, 0)``, or with a slope below 0, or limited.

    Parameters
    ----------
    max_value : float, optional
        6, or no limit.
    negative_slope : float, default 0.0
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If the limit is another one, or comes with a slope.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        if max_value not in (None, 6) or (max_value and negative_slope):
            raise ValueError(
                "ReLU: max_value must be None, or 6 without a slope, got "
                f"max_value={max_value}, negative_slope={negative_slope}"
            )
        self.max_value = max_value
        self.negative_slope = negative_slope

    def make(self, shape: Shape) -> list[nn.Module]:
        """The activation."""
        if self.max_value:
            return [nn.ReLU6()]
        slope = self.negative_slope
        return [nn.LeakyReLU(slope) if slope else nn.ReLU()]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        own = {"max_value": self.max_value, "negative_slope": self.negative_slope}
        return {**super().get_config(), **own}


class LeakyReLU(ReLU):
    """``x`` where it is positive, else ``negative_slope * x``; 0.3 by default."""

    def __init__(self, negative_slope: float = 0.3, **general: Any) -> None:
        super().__init__(None, negative_slope, **general)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        config = super().get_config()
        del config["max_value"]
        return config


class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` along an axis.

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
        """The activation."""
        return [nn.Softmax(self.axis)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "axis": self.axis}


class Dropout(Layer):
    """In training a share of the elements set to 0.

    Parameters
    ----------
    rate : float
    seed : int, optional
        Of no effect: the numbers come from `tw.manual_seed`.
    name, input_shape, trainable
        As in :class:`Layer`.
    """

    def __init__(self, rate: float, seed: int | None = None, **general: Any) -> None:
        super().__init__(**general)
        nn.Dropout(rate)
        self.rate = rate
        self.seed = seed

    def make(self, shape: Shape) -> list[nn.Module]:
        """The layer of ours."""
        return [nn.Dropout(self.rate)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


class Flatten(Layer):
    """All axes of a sample as one."""

    def make(self, shape: Shape) -> list[nn.Module]:
        """The layer of ours."""
        return [nn.Flatten()]


class _Reshaped(nn.Module):
    """Samples in another shape."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, x: Any) -> Any:
        """Reshape, a new view."""
        tensor = x if hasattr(x, "reshape") else np.asarray(x)
        return tensor.reshape(len(tensor), *self.shape)


class Reshape(Layer):
    """Samples in another shape; one extent may be -1.

    Parameters
    ----------
    target_shape : tuple of int
    name, input_shape, trainable
        As in :class:`Layer`.
    """

    def __init__(self, target_shape: Shape, **general: Any) -> None:
        super().__init__(**general)
        self.target_shape = tuple(target_shape)

    def make(self, shape: Shape) -> list[nn.Module]:
        """A module of its own."""
        exact = np.empty(shape, bool).reshape(self.target_shape).shape
        return [_Reshaped(exact)]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "target_shape": list(self.target_shape)}
