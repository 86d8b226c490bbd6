"""The model of Keras: put together of layers, compiled, trained, evaluated."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor, no_grad
from tilewright.data import ArrayDataset, DataLoader
from tilewright.keras import callbacks as keras_callbacks
from tilewright.keras import losses, metrics, naming, optimizers
from tilewright.keras.layers.layer import KerasTensor, Layer, Shape, check_weights
from tilewright.keras.layers.preparation import _Prepared
from tilewright.keras.models import saving, summary
from tilewright.keras.models.network import Network
from tilewright.keras.models.training import (
    KerasTrainer,
    class_weights,
    named_metric,
    samples,
)
from tilewright.train import Callback
from tilewright.train.run import Run

Array = NDArray[Any]


class Model(Layer):
    """Layers between an input and an output.

    Parameters
    ----------
    inputs, outputs : KerasTensor
        From ``Input`` and from the last layer; or lists of one.
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
        If there are several inputs or outputs, or they do not belong together.
    TypeError
        If they are no KerasTensors.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import keras
    >>> inputs = keras.Input(shape=(4,))
    >>> hidden = keras.layers.Dense(8, activation="relu")(inputs)
    >>> both = keras.layers.Concatenate()([inputs, hidden])
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(both))
    >>> model.predict(np.zeros((3, 4)), verbose=0).shape
    (3, 2)
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name=name or naming.automatic("functional"))
        self._begin()
        self._connect(_single("inputs", inputs), _single("outputs", outputs))

    def _begin(self) -> None:
        """Attributes that both kinds of models start with."""
        self.stop_training = False
        self.history: keras_callbacks.History | None = None
        self.loss: Any = None
        self._network: Network | None = None
        self._optimizer: optimizers.Optimizer | None = None
        self._loss: losses.Loss | None = None
        self._metrics: list[Any] = []
        self._trainers: dict[Any, KerasTrainer] = {}

    def _connect(self, inputs: KerasTensor, outputs: KerasTensor) -> None:
        self._input, self._output = inputs, outputs
        self._network = Network(inputs, outputs)
        self._trainers = {}
        self.output_shape = outputs.shape
        self.input_shape = inputs.shape
        network = self._network
        front: list[nn.Module] = [_Prepared(each) for each in network.preparation]
        ends = [network.body] + ([network.head] if network.head else [])
        self.parts = front + ends
        self.built = True

    @property
    def network(self) -> Network:
        """What it consists of.

        Raises
        ------
        ValueError
            If the shape of its input is not known yet.
        """
        if self._network is None:
            raise ValueError(
                f"{self.name}: has no weights yet; give the first layer input_shape, "
                "or call build or fit"
            )
        return self._network

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

    # As a layer of another model.

    def make(self, shape: Shape) -> list[nn.Module]:
        """What it consists of is there already."""
        return self.parts

    def variables(self) -> list[tuple[str, Any, bool]]:
        """Those of its layers."""
        found = [each for layer in self.layers for each in layer.variables()]
        return [(name, value, t and self.trainable) for name, value, t in found]

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

    def run(self, x: Any, training: bool) -> Tensor:
        """Compute with an array or a tensor."""
        if not isinstance(x, Tensor):
            x = Tensor(samples(x, self.network_for(x)._input.sample_shape))
        return super().run(x, training)

    def network_for(self, x: Any) -> Model:
        """The model itself, built for inputs such as these."""
        if self._network is None:
            self.build((None, *np.shape(x)[1:]))
        return self

    def build(self, input_shape: Any) -> None:
        """Make the weights, where that was not possible before."""
        del input_shape

    # Training.

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        **others: Any,
    ) -> None:
        """Say how it is trained.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
        loss : str, Loss or function of (y_true, y_pred)
        metrics : sequence of str or Metric, optional
        **others
            ``run_eagerly``, ``jit_compile``, ``steps_per_execution`` and
            ``auto_scale_loss`` have no effect.

        Raises
        ------
        ValueError
            If a name is unknown.
        TypeError
            If something is of another kind.
        """
        idle = {"run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss"}
        unknown = sorted(set(others) - idle)
        if unknown:
            raise TypeError(f"compile: unknown argument {', '.join(unknown)}")
        self._optimizer = optimizers.get(optimizer)
        self._optimizer.native = None
        self.loss = loss
        self._loss = None if loss is None else losses.get(loss)
        self._metrics = list(metrics or [])
        self._trainers = {}

    @property
    def optimizer(self) -> optimizers.Optimizer:
        """The optimizer that it was compiled with.

        Raises
        ------
        RuntimeError
            If it was not.
        """
        if self._optimizer is None:
            raise RuntimeError(f"{self.name}: call compile first")
        return self._optimizer

    def _trainer(self, weight: Mapping[int, float] | None = None) -> KerasTrainer:
        """The trainer of ours for the loss, with weights of classes or without."""
        if self._loss is None:
            raise RuntimeError(f"{self.name}: call compile with a loss first")
        key = tuple(sorted(weight.items())) if weight else None
        if key not in self._trainers:
            network, shape = self.network, self._output.sample_shape
            width = shape[-1] if shape else 1
            bound = self._loss.bind(network.head, class_weights(weight, width))
            body = network.body if bound.before_head else network.whole
            head = network.head if bound.before_head else None
            optimizer = self.optimizer
            native = optimizer.native
            if native is None:
                native = optimizer.bind(self._moved())
            chosen = [
                named_metric(metrics.get(each, self._loss, width), head)
                for each in self._metrics
            ]
            self._trainers[key] = KerasTrainer(
                network, body, native, bound.native, chosen
            )
        return self._trainers[key]

    def _moved(self) -> list[nn.Parameter]:
        """The weights that training moves."""
        found = []
        for _, value, trainable in self.variables():
            if isinstance(value, nn.Parameter):
                value.requires_grad = trainable
                if trainable:
                    found.append(value)
        if not found:
            raise ValueError(f"{self.name}: has no weights that are trainable")
        return found

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
    ) -> keras_callbacks.History:
        """Train.

        Parameters
        ----------
        x : array_like, shape (N, ...), or ArrayDataset or DataLoader
        y : array_like, shape (N, ...)
        batch_size : int, default 32
        epochs : int, default 1
        verbose : int or "auto", default "auto"
            0 reports nothing.
        callbacks : sequence of Callback, optional
            Of `tilewright.keras.callbacks` or of `tilewright.train`.
        validation_split : float, default 0.0
            Share of the samples at the end that are not trained on but evaluated.
        validation_data : (x, y), ArrayDataset or DataLoader, optional
        shuffle : bool, default True
        class_weight : dict of int to float, optional
            What the loss of a class's samples is multiplied by.

        Returns
        -------
        History
            Its ``history`` has one value an epoch.

        Raises
        ------
        ValueError
            If shapes do not agree or a number is out of range.
        RuntimeError
            If it was not compiled.
        """
        data = self._data(x, y)
        if validation_split and validation_data is None:
            data, validation_data = _split(data, validation_split)
        elif validation_data is not None:
            given = validation_data
            pair = given if isinstance(given, tuple | list) else (given, None)
            validation_data = self._data(*pair[:2])
        trainer = self._trainer(class_weight)
        self.stop_training = False
        self.history = keras_callbacks.History()
        trainer.fit(
            data,
            epochs,
            batch_size or 32,
            validation_data,
            shuffle,
            callbacks=self._callbacks(callbacks),
            verbose=verbose not in (0, False),
        )
        return self.history

    def _callbacks(self, given: Any) -> list[Callback]:
        assert self.history is not None
        chosen = given if isinstance(given, Sequence) else [given] if given else []
        found = self.optimizer.callbacks()
        for callback in (*chosen, self.history):
            if isinstance(callback, Callback):
                found.append(callback)
                continue
            if not isinstance(callback, keras_callbacks.Callback):
                raise TypeError(
                    "fit: callbacks must be Callbacks, got "
                    f"{getattr(callback, '__name__', type(callback).__name__)}"
                )
            callback.set_model(self)
            found += callback.natives()
        return found

    def _data(self, x: Any, y: Any) -> Any:
        """Inputs and targets in the form that our trainer takes."""
        if isinstance(x, (ArrayDataset, DataLoader)):
            if self._network is None:
                first = x if isinstance(x, ArrayDataset) else x.dataset
                self.build((None, *first[0:1][0].shape[1:]))
            return x
        if x is None or y is None:
            raise ValueError("fit and evaluate need x and y")
        if self._loss is None:
            raise RuntimeError(f"{self.name}: call compile with a loss first")
        inputs = samples(x, self.network_for(x)._input.sample_shape)
        targets = self._loss.targets(y)
        if len(inputs) != len(targets):
            raise ValueError(f"x has {len(inputs)} samples but y has {len(targets)}")
        return ArrayDataset(inputs, targets)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics over samples.

        Parameters
        ----------
        x, y, batch_size
            As in `fit`.
        verbose : int or "auto", default "auto"
            0 prints nothing.
        return_dict : bool, default False

        Returns
        -------
        float, list of float, or dict of str to float
            The loss alone where there are no metrics.
        """
        data = self._data(x, y)
        scores = self._trainer().evaluate(data, batch_size or 32)
        if verbose not in (0, False):
            print("  ".join(f"{name}: {value:.4f}" for name, value in scores.items()))
        if return_dict:
            return scores
        values = list(scores.values())
        return values if len(values) > 1 else values[0]

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto"
    ) -> Array:
        """Outputs of samples, in evaluation.

        Parameters
        ----------
        x : array_like, shape (N, ...)
        batch_size : int, default 32
        verbose : int or "auto"
            Of no effect.

        Returns
        -------
        ndarray, shape (N, ...)
        """
        inputs = samples(x, self.network_for(x)._input.sample_shape)
        network, size = self.network, batch_size or 32
        network.whole.eval()
        outputs = []
        with no_grad():
            for start in range(0, max(len(inputs), 1), size):
                batch = network.prepare(inputs[start : start + size], False)
                outputs.append(_data_of(network.whole(batch)).copy())
        return np.concatenate(outputs)

    def predict_on_batch(self, x: Any) -> Array:
        """Outputs of one batch."""
        return self.predict(x, len(x))

    def train_on_batch(self, x: Any, y: Any, return_dict: bool = False) -> Any:
        """One step; the loss and metrics before it, as `evaluate` returns them."""
        data = self._data(x, y)
        trainer = self._trainer()
        run = Run(trainer, DataLoader(data, len(data)), None, 1, [])
        optimizer = self.optimizer
        for callback in optimizer.callbacks():
            run.callbacks.append(callback)
        trainer.model.train()
        values = run.single_step(data.x, data.y)
        if return_dict:
            return values
        numbers = list(values.values())
        return numbers if len(numbers) > 1 else numbers[0]

    # As text and as files.

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print the layers, their outputs' shapes and their numbers of weights."""
        print_fn(summary.text_of(self))

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

    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True
    ) -> None:
        """Write the weights alone; see `save` for the errors.

        A name that ends in ``.weights.h5`` makes it Keras's own format, which needs
        the extra ``keras-weights`` and layers in a row.
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


def _single(name: str, value: Any) -> KerasTensor:
    if isinstance(value, list | tuple):
        if len(value) != 1:
            raise ValueError(
                f"Model: has one input and one output, got {len(value)} {name}"
            )
        (value,) = value
    if not isinstance(value, KerasTensor):
        raise TypeError(
            f"Model: {name} must be what Input or a layer returns, got "
            f"{type(value).__name__}"
        )
    return value


def _data_of(value: Any) -> Array:
    array: Array = value.data if isinstance(value, Tensor) else value
    return array


def _split(data: Any, share: float) -> tuple[ArrayDataset, ArrayDataset]:
    """Training and validation samples: the last ones are evaluated."""
    if not isinstance(data, ArrayDataset):
        raise ValueError("fit: validation_split is for arrays; give validation_data")
    if not 0 < share < 1:
        raise ValueError(f"fit: validation_split must be in (0, 1), got {share}")
    first = int(len(data) * (1 - share))
    if not 0 < first < len(data):
        raise ValueError(
            f"fit: validation_split={share} leaves no samples to train or to evaluate, "
            f"of {len(data)}"
        )
    return ArrayDataset(*data[:first]), ArrayDataset(*data[first:])
