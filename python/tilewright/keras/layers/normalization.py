"""Batch normalization with Keras's defaults."""

from __future__ import annotations

from typing import Any

from tilewright import nn
from tilewright.keras.layers.layer import Layer, Shape


class BatchNormalization(Layer):
    """Each channel with mean 0 and variance 1.

    Parameters
    ----------
    axis : int, default -1
        The last one: images are channels last.
    momentum : float, default 0.99
        Share of the running values that stays in a step.
    epsilon : float, default 1e-3
    center, scale : bool, default True
        Whether there is a bias, and a weight.
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If the axis is another one.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **general: Any,
    ) -> None:
        super().__init__(**general)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale = center, scale

    def make(self, shape: Shape) -> list[nn.Module]:
        """The layer of ours, whose momentum is the share that goes."""
        if self.axis not in (-1, len(shape)):
            raise ValueError(
                f"BatchNormalization: axis must be the last one, got {self.axis}"
            )
        kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        layer = kind(shape[-1], self.epsilon, 1 - self.momentum)
        # Keras keeps the variance of the batch itself, not the estimate.
        layer.unbiased = False
        if not self.scale:
            layer.weight = None
        if not self.center:
            layer.bias = None
        return [layer]

    def still(self) -> list[nn.Module]:
        """All of it, where it is not trained: the running values stay too."""
        return [] if self.trainable else self.parts

    def named_variables(self) -> list[tuple[str, Any, bool]]:
        """Weight and bias, then the running values."""
        (layer,) = self.parts or (None,)
        if layer is None:
            return []
        running = ("running_mean", "running_var")
        return super().named_variables() + [(n, vars(layer)[n], False) for n in running]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        own = ("axis", "momentum", "epsilon", "center", "scale")
        return {**super().get_config(), **{name: vars(self)[name] for name in own}}
