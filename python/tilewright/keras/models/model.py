"""The model of Keras: layers between inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor
from tilewright.keras import naming
from tilewright.keras.layers.layer import (
    Call,
    KerasTensor,
    Layer,
    Shape,
    check_weights,
    in_mode,
    on_its_device,
)
from tilewright.keras.layers.preparation import PreparationLayer, _Prepared
from tilewright.keras.models import exporting, saving, summary
from tilewright.keras.models.feeding import samples
from tilewright.keras.models.network import Network, Spread
from tilewright.keras.models.structure import Structure
from tilewright.keras.models.trainable import Trainable
from tilewright.kernels import devices

Array = NDArray[Any]


class Model(Trainable):
    """Layers between inputs and outputs.

    Parameters
    ----------
    inputs, outputs : KerasTensor, or list or dict of them
        From ``Input`` and from the last layers. Arrays are then given, and returned,
        in the same form; a list may also be given as a dict by the names of the
        layers.
    name : str, optional

    Attributes
    ----------
    optimizer : Optimizer of `tilewright.keras.optimizers`
        After `compile`.
    stop_training : bool
        Ends the run after the epoch, where a callback sets it.

    Raises
    ------
    ValueError
        If inputs and outputs do not belong together.
    TypeError
        If they are no KerasTensors.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import keras
    >>> image = keras.Input(shape=(4,), name="image")
    >>> text = keras.Input(shape=(3,), name="text")
    >>> both = keras.layers.Concatenate()([image, text])
    >>> label = keras.layers.Dense(2, activation="softmax", name="label")(both)
    >>> price = keras.layers.Dense(1, name="price")(both)
    >>> model = keras.Model([image, text], [label, price])
    >>> model.compile(
    ...     loss={"label": "sparse_categorical_crossentropy", "price": "mse"},
    ...     loss_weights={"label": 1.0, "price": 0.1},
    ... )
    >>> x = {"image": np.zeros((8, 4)), "text": np.ones((8, 3))}
    >>> y = {"label": np.zeros(8, int), "price": np.ones(8)}
    >>> sorted(model.fit(x, y, verbose=0).history)
    ['label_loss', 'loss', 'price_loss']
    >>> [each.shape for each in model.predict(x, verbose=0)]
    [(8, 2), (8, 1)]
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name or naming.automatic("functional"))
        self._settle(inputs, outputs)

    def _settle(self, inputs: Any, outputs: Any) -> None:
        """Become the model between these tensors."""
        self._inputs = Structure("input", inputs)
        self._outputs = Structure("output", outputs)
        network = Network(self._inputs.tensors, self._outputs.tensors)
        self._expect_one_device(network.layers)
        self._network = network
        self._trainer = None
        self.input_shape = self._inputs.pack([t.shape for t in self._inputs.tensors])
        self.output_shape = self._outputs.pack([t.shape for t in self._outputs.tensors])
        fronts = [[_Prepared(each) for each in row] for row in network.preparation]
        if len(self._inputs) == len(self._outputs) == 1:
            heads = [head for head in network.heads if head is not None]
            self.parts = [*fronts[0], network.body, *heads]
        else:
            self.parts = [Spread(network, [nn.Sequential(*row) for row in fronts])]
        self.built = True

    def _expect_one_device(self, members: list[Layer]) -> None:
        """Raise ValueError if layers have weights on different devices."""
        found = {each.device: each for each in members if each.named_variables()}
        if len(found) > 1:
            places = ", ".join(f"{each.name} on {name}" for name, each in found.items())
            raise ValueError(
                f"{self.name}: the weights of all layers must be on one device, got "
                f"{places}; make all of them in one block of keras.device"
            )

    @property
    def layers(self) -> list[Layer]:
        """The layers, each once."""
        return self.network.layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its number.

        Raises
        ------
        ValueError
            If there is none.
        """
        if index is not None:
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"{self.name}: has no layer {name!r}")

    @property
    def inputs(self) -> list[KerasTensor]:
        """Where the model begins."""
        self.network  # noqa: B018 - says so where it has no weights yet
        return list(self._inputs.tensors)

    @property
    def outputs(self) -> list[KerasTensor]:
        """Where it ends."""
        self.network  # noqa: B018 - says so where it has no weights yet
        return list(self._outputs.tensors)

    @property
    def input(self) -> Any:
        """The same in the form in which the model was given it."""
        return self._inputs.pack(self.inputs)

    @property
    def output(self) -> Any:
        """The same in the form in which the model was given it."""
        return self._outputs.pack(self.outputs)

    @property
    def input_names(self) -> list[str]:
        """What the inputs are called in a dict."""
        return list(self._inputs.names)

    @property
    def output_names(self) -> list[str]:
        """What the outputs are called in a dict, and in the history."""
        return list(self._outputs.names)

    # As a layer of another model.

    def make(self, shape: Shape) -> list[nn.Module]:
        """What it consists of is there already."""
        return self.parts

    def front(self) -> list[Any] | None:
        """The layers that prepare arrays, where it consists of nothing else."""
        network = self.network
        rest = [call.layer for call in network.calls if call.inputs]
        if not all(layer.front() for layer in rest) or len(network.preparation) > 1:
            return None
        row: list[PreparationLayer] = network.preparation[0]
        return list(row) if self._outputs.single and row else None

    @property
    def results(self) -> int:
        """How many outputs there are."""
        return len(self._outputs)

    def arranged(self, inputs: Any) -> list[KerasTensor]:
        """What it was given, in the order of its inputs."""
        found: list[KerasTensor] = self._inputs.unpack(self.name, inputs)
        for given, own in zip(found, self._inputs.tensors, strict=True):
            if given.sample_shape != own.sample_shape:
                raise ValueError(
                    f"{self.name}: takes inputs of shape {own.shape}, got {given.shape}"
                )
        return found

    def connect(self, call: Call) -> Any:
        """The outputs of a call, as KerasTensors."""
        made = [
            KerasTensor(tensor.sample_shape, call, index)
            for index, tensor in enumerate(self._outputs.tensors)
        ]
        return self._outputs.pack(made)

    def named_variables(self) -> list[tuple[str, Any, bool]]:
        """Those of its layers."""
        found = [each for layer in self.layers for each in layer.named_variables()]
        return [(name, value, t and self.trainable) for name, value, t in found]

    def set_trainable(self, value: bool) -> None:
        """Set whether training moves the weights, of all layers."""
        super().set_trainable(value)
        if self._network is not None:
            for layer in self.layers:
                layer.trainable = value

    @property
    def weights(self) -> list[Array]:
        """The arrays of the weights themselves, in their shapes in Keras."""
        return [weight for layer in self.layers for weight in layer.weights]

    def set_weights(self, weights: Any) -> None:
        """Take over weights, all of them or, where one does not fit, none."""
        given = list(weights)
        check_weights(self.name, given, self.weights)
        for layer in self.layers:
            count = len(layer.weights)
            layer.set_weights(given[:count])
            del given[:count]

    @on_its_device
    def run(self, x: Any, training: bool) -> Any:
        """Compute with arrays, or with tensors on the model's device."""
        self.build_for(x)
        given = [
            each
            if isinstance(each, Tensor)
            else Tensor(devices.moved(samples(each, t.sample_shape), self.device))
            for each, t in zip(
                self._inputs.unpack("x", x), self._inputs.tensors, strict=True
            )
        ]
        if len(self._inputs) == len(self._outputs) == 1:
            return super().run(given[0], training)
        with in_mode(self.parts, training):
            outputs = self.parts[0](*given)
        several = isinstance(outputs, tuple)
        return self._outputs.pack(outputs if several else [outputs])

    def build_for(self, x: Any) -> None:
        """Make the weights for inputs such as these, where there are none yet."""
        if self._network is None:
            self.build((None, *np.shape(x)[1:]))

    def build(self, input_shape: Any) -> None:
        """Make the weights, where that was not possible before."""
        del input_shape

    # As text and as files.

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print the layers, their outputs' shapes and their numbers of weights.

        Parameters
        ----------
        print_fn : callable, default print
        show_trainable : bool, default False
            Whether to say of each layer if training moves it.
        line_length, positions, expand_nested, layer_range
            Of no effect.
        """
        (print_fn or print)(summary.text_of(self, show_trainable))

    def get_config(self) -> dict[str, Any]:
        """What the model is made of, as plain values."""
        return saving.describe_model(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a model, with new weights, of what `get_config` returned."""
        return saving.build_model(config)

    @on_its_device
    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the model, its weights, and how it is trained, to one file.

        The file is safetensors whatever its name, and `load_model` reads it; Keras
        does not.

        Raises
        ------
        FileExistsError
            If there is one and `overwrite` is False.
        TypeError
            If a layer has a function of the user's own.
        """
        saving.save_model(self, filepath, overwrite)

    @on_its_device
    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "onnx",
        verbose: Any = None,
    ) -> None:
        """Write the model, as it predicts, to a file for other programs.

        What is at the front, as `Rescaling`, and the softmaxes are part of it. The
        file's inputs and outputs have the names `input_names` and `output_names`.

        Parameters
        ----------
        filepath : path
            Replaced whole or not at all.
        format : {"onnx"}, default "onnx"
        verbose
            Of no effect.

        Raises
        ------
        ValueError
            If the format is another one, the model has no weights yet, or a layer
            cannot be expressed.
        ImportError
            If onnx is not installed.

        Examples
        --------
        >>> import os, tempfile
        >>> from tilewright import keras
        >>> from tilewright.interop import onnx
        >>> model = keras.Sequential([
        ...     keras.Input((4,)),
        ...     keras.layers.Rescaling(1 / 255),
        ...     keras.layers.Dense(2, activation="softmax", name="share"),
        ... ])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.onnx")
        ...     model.export(path, format="onnx")
        ...     onnx.load(path)
        Network(
          inputs=1, outputs=['share']
          v1 = multiply(x0, constant_0)
          v2 = layers.0(v1)
          v3 = layers.1(v2)
          (layers): ModuleList(
            (0): Linear(in_features=4, out_features=2, bias=True)
            (1): Softmax(axis=-1)
          )
        )
        """
        exporting.export(self, filepath, format)

    @on_its_device
    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True
    ) -> None:
        """Write the weights alone; see `save` for the errors.

        A name that ends in ``.weights.h5`` makes it Keras's own format, which needs
        the extra ``keras-weights``.
        """
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Take over what `save_weights` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, or of another model.
        """
        saving.load_weights(self, filepath)
