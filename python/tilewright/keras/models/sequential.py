"""Layers in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tilewright.keras import naming
from tilewright.keras.layers.core import InputLayer
from tilewright.keras.layers.layer import KerasTensor, Layer
from tilewright.keras.models.model import Model
from tilewright.keras.models.trainable import Trainable


class Sequential(Model):
    """Layers in a row.

    The shape of the input is told by an ``Input``, by ``input_shape`` of the first
    layer, by `build`, or by the first data.

    Parameters
    ----------
    layers : sequence of Layer, optional
    name : str, optional

    Raises
    ------
    TypeError
        If one of them is no layer.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tf
    >>> from tilewright import keras
    >>> from tilewright.keras import layers, models
    >>> tf.manual_seed(0)
    >>> model = models.Sequential([
    ...     layers.Input(shape=(4,)),
    ...     layers.Dense(8, activation="relu"),
    ...     layers.Dense(4, activation="softmax"),
    ... ])
    >>> adam = keras.optimizers.Adam(learning_rate=0.05)
    >>> model.compile(
    ...     adam, "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x, y = np.eye(4).repeat(16, axis=0), np.arange(4).repeat(16)
    >>> history = model.fit(x, y, epochs=60, verbose=0)
    >>> history.history["accuracy"][-1]
    1.0
    """

    def __init__(
        self, layers: Sequence[Any] | None = None, name: str | None = None
    ) -> None:
        Trainable.__init__(self, name or naming.automatic("sequential"))
        self._row: list[Layer] = []
        self._first: KerasTensor | None = None
        for layer in layers or ():
            self._append(layer)
        self._build_where_possible()

    def add(self, layer: Any) -> None:
        """Add a layer at the end.

        Raises
        ------
        TypeError
            If it is no layer.
        """
        self._append(layer)
        self._build_where_possible()

    def pop(self) -> Layer:
        """Take the last layer off.

        Raises
        ------
        ValueError
            If there is none.
        """
        if not self._row:
            raise ValueError(f"{self.name}: has no layers")
        last = self._row.pop()
        self._build_where_possible()
        return last

    def _append(self, layer: Any) -> None:
        if isinstance(layer, KerasTensor) and isinstance(layer.layer, InputLayer):
            layer = layer.layer
        if not isinstance(layer, Layer):
            raise TypeError(
                f"Sequential: expected a layer, got "
                f"{getattr(layer, '__name__', type(layer).__name__)}"
            )
        if isinstance(layer, InputLayer):
            if self._row or self._first is not None:
                raise ValueError("Sequential: Input comes first")
            self._first = layer.output
            return
        if not self._row and self._first is None:
            shape = layer.given_shape
            if isinstance(layer, Model) and layer._network is not None:
                shape = layer._inputs.tensors[0].sample_shape
            if shape is not None:
                self._first = InputLayer(shape).output
        self._row.append(layer)

    def _build_where_possible(self) -> None:
        if self._first is None or not self._row:
            return
        tensor = self._first
        for layer in self._row:
            tensor = layer(tensor)
        self._settle(self._first, tensor)

    def build(self, input_shape: Any = None) -> None:
        """Make the weights.

        Parameters
        ----------
        input_shape : tuple
            With the batch, which may be None, first.
        """
        if self._first is None and input_shape is not None:
            shape = tuple(int(extent) for extent in tuple(input_shape)[1:])
            self._first = InputLayer(shape).output
            self._build_where_possible()

    def arranged(self, inputs: Any) -> list[KerasTensor]:
        """What it was given; the shape of its input is then known."""
        (given,) = inputs if isinstance(inputs, list | tuple) else [inputs]
        if self._network is None:
            self.build(given.shape)
        return [given]

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input."""
        return list(self._row)
