"""Models as they are trained, evaluated and asked: `compile`, `fit` and the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import no_grad
from tilewright.data import ArrayDataset, BatchStream, DataLoader
from tilewright.keras import callbacks as keras_callbacks
from tilewright.keras import optimizers
from tilewright.keras.layers.layer import Layer, on_its_device
from tilewright.keras.models import feeding
from tilewright.keras.models.feeding import Feed
from tilewright.keras.models.network import Network
from tilewright.keras.models.objective import Compiled, KerasTrainer, Target
from tilewright.keras.models.structure import Structure
from tilewright.kernels.devices import to_host
from tilewright.train import Callback
from tilewright.train.evaluating import evaluating
from tilewright.train.losses import arrays_of
from tilewright.train.run import Run, moved_batch

Array = NDArray[Any]
# What has an effect on speed alone, or on other back ends.
_IDLE = {"run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss"}


class Trainable(Layer):
    """A model as it is trained; see :class:`Model`."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.stop_training = False
        self.history: keras_callbacks.History | None = None
        self.loss: Any = None
        self._inputs: Structure
        self._outputs: Structure
        self._network: Network | None = None
        self._optimizer: optimizers.Optimizer | None = None
        self._compiled: Compiled | None = None
        self._trainer: KerasTrainer | None = None
        self._targets: list[Target] = []

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

    def build_for(self, x: Any) -> None:
        """Make the weights for inputs such as these, where there are none yet."""
        raise NotImplementedError

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **others: Any,
    ) -> None:
        """Say how it is trained.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
        loss : str, Loss or function of (y_true, y_pred)
            One for all outputs, or a list or a dict by the names of the outputs with
            one each; an output may go without.
        loss_weights : float, or list or dict of float, optional
            What the losses are multiplied by before they are added.
        metrics : list of str, Metric or function, optional
            For several outputs a list or a dict of such lists.
        weighted_metrics : as metrics, optional
            Means that go by the weights of the samples.
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
        unknown = sorted(set(others) - _IDLE)
        if unknown:
            raise TypeError(f"compile: unknown argument {', '.join(unknown)}")
        compiled = Compiled(loss, loss_weights, metrics, weighted_metrics)
        self._optimizer = optimizers.get(optimizer)
        self._optimizer.native = None
        self.loss = loss
        self._compiled = compiled
        self._trainer = None

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

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` returns, in its order."""
        return ["loss", *self._trained_by().metrics]

    def _trained_by(self) -> KerasTrainer:
        """The trainer of ours."""
        if self._compiled is None or self._compiled.loss is None:
            raise RuntimeError(f"{self.name}: call compile with a loss first")
        if self._trainer is None:
            network = self.network
            self._targets = self._compiled.targets(self._outputs, network)
            native = self.optimizer.native
            if native is None:
                native = self.optimizer.bind(self.moved())
            self._trainer = KerasTrainer(network, self._targets, native, self.still())
        return self._trainer

    def moved(self) -> list[nn.Parameter]:
        """The weights that training moves."""
        found: dict[int, nn.Parameter] = {}
        for _, value, trainable in self.named_variables():
            if isinstance(value, nn.Parameter):
                value.requires_grad = trainable
                if trainable:
                    found[id(value)] = value
        if not found:
            raise ValueError(f"{self.name}: has no weights that are trainable")
        return list(found.values())

    def still(self) -> list[nn.Module]:
        """What computes as in evaluation even while the model is trained."""
        network = self.network
        found = list(network.still)
        for layer in network.layers:
            found += layer.still()
        return [module for part in found for module in part.modules()]

    @property
    def _feed(self) -> Feed:
        self._trained_by()
        return Feed(self._inputs, self._outputs, self._targets)

    def _ready(self, x: Any) -> Any:
        """What has the batches, once the model is built for them."""
        if self._compiled is None or self._compiled.loss is None:
            raise RuntimeError(f"{self.name}: call compile with a loss first")
        if x is None:
            raise ValueError("fit and evaluate need x and y")
        if self._network is None:
            first = x
            if feeding.is_source(x):
                first, x = feeding.peeked(x)
            self.build_for(first)
        return x

    @on_its_device
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
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> keras_callbacks.History:
        """Train.

        Parameters
        ----------
        x : array_like, shape (N, ...), or list or dict of them
            Or what gives batches ``(x, y)`` or ``(x, y, sample_weight)``: a data set
            or loader of ours, a `keras.utils.PyDataset`, a generator, another
            library's loader.
        y : array_like, shape (N, ...), or list or dict of them
        batch_size : int, default 32
        epochs : int, default 1
        verbose : int or "auto", default "auto"
            0 reports nothing.
        callbacks : sequence of Callback, optional
            Of `tilewright.keras.callbacks` or of `tilewright.train`.
        validation_split : float, default 0.0
            Share of the samples at the end that are not trained on but evaluated.
        validation_data : (x, y), (x, y, sample_weight), or what gives batches
        shuffle : bool, default True
            Of no effect on generators and loaders.
        class_weight : dict of int to float, optional
            What the loss of a class's samples is multiplied by.
        sample_weight : array_like, shape (N,), or list or dict of them, optional
            What the losses of samples are multiplied by; one array is for all
            outputs.
        initial_epoch : int, default 0
            Epochs that are done already, of `epochs`.
        steps_per_epoch : int, optional
            Batches in an epoch; the next one goes on where it has ended. A generator
            for several epochs needs it.
        validation_steps : int, optional
            Batches that are evaluated.
        validation_batch_size : int, optional
        validation_freq : int or container of int, default 1
            Evaluate after each so many epochs, or after those of these numbers.

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
        x = self._ready(x)
        trainer, feed = self._trained_by(), self._feed
        if validation_split and validation_data is None:
            if not feeding.is_source(x):
                x = feed.samples(x, y, sample_weight, class_weight)
                y = sample_weight = class_weight = None
            x, validation_data = _split(x, validation_split)
        validation = None
        if validation_data is not None:
            validation = _validation(
                feed, validation_data, validation_batch_size, validation_steps
            )
        loader = feed.loader(
            x,
            y,
            sample_weight,
            batch_size=batch_size,
            shuffle=bool(shuffle),
            class_weight=class_weight,
            steps=steps_per_epoch,
        )
        self.stop_training = False
        self.history = keras_callbacks.History()
        trainer.fit(
            loader,
            epochs,
            validation_data=validation,
            callbacks=self._callbacks(callbacks),
            verbose=verbose not in (0, False),
            initial_epoch=initial_epoch,
            validation_freq=validation_freq,
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
            callback.set_model(self)  # type: ignore[arg-type]
            found += callback.natives()
        return found

    @on_its_device
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics over samples.

        Parameters
        ----------
        x, y, batch_size, sample_weight
            As in `fit`.
        verbose : int or "auto", default "auto"
            0 prints nothing.
        steps : int, optional
            Batches that are evaluated.
        callbacks : sequence of Callback, optional
            Of which ``on_test_begin`` and ``on_test_end`` are called.
        return_dict : bool, default False

        Returns
        -------
        float, list of float, or dict of str to float
            The loss alone where there are no metrics.
        """
        x = self._ready(x)
        trainer, feed = self._trained_by(), self._feed
        loader = feed.loader(
            x, y, sample_weight, batch_size=batch_size, steps=steps, restart=True
        )
        for callback in callbacks or ():
            callback.set_model(self)
            callback.on_test_begin({})
        scores = trainer.evaluate(loader)
        for callback in callbacks or ():
            callback.on_test_end(dict(scores))
        if verbose not in (0, False):
            print("  ".join(f"{name}: {value:.4f}" for name, value in scores.items()))
        return _returned(scores, return_dict)

    @on_its_device
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Outputs of samples, in evaluation.

        Parameters
        ----------
        x : array_like, shape (N, ...), or list or dict of them
            Or what gives batches, of which only the inputs are looked at.
        batch_size : int, default 32
        verbose : int or "auto"
            Of no effect.
        steps : int, optional
            Batches to look at.
        callbacks
            Of no effect.

        Returns
        -------
        ndarray, shape (N, ...), or list or dict of them
            In the form in which the model was given its outputs.
        """
        if self._network is None:
            first, x = feeding.peeked(x) if feeding.is_source(x) else (x, x)
            self.build_for(first)
        network, feed = self.network, Feed(self._inputs, self._outputs, [])
        found: list[list[Array]] = [[] for _ in self._outputs.names]
        with no_grad(), evaluating(network.whole):
            for inputs in _input_batches(feed, x, batch_size or 32, steps):
                batch = inputs if len(inputs) > 1 else inputs[0]
                batch = moved_batch(network.prepare(batch, False), self.device)
                outputs = arrays_of(network.whole(batch))
                rows = outputs if isinstance(outputs, tuple) else (outputs,)
                for row, values in zip(found, rows, strict=True):
                    row.append(values.copy())
        return self._outputs.pack(
            [np.concatenate([to_host(each) for each in row]) for row in found]
        )

    # One batch by itself.

    @on_its_device
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step; the loss and metrics before it, as `evaluate` returns them."""
        x = self._ready(x)
        trainer = self._trained_by()
        data = self._feed.samples(x, y, sample_weight, class_weight)
        batch = trainer.placed(data.gather(slice(None)), True)
        callbacks = self.optimizer.callbacks()
        run = Run(trainer, BatchStream([batch]), None, 1, callbacks)
        trainer.set_training()
        return _returned(run.single_step(*batch), return_dict)

    @on_its_device
    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics of one batch, as `evaluate` returns them."""
        x = self._ready(x)
        trainer = self._trained_by()
        data = self._feed.samples(x, y, sample_weight)
        batch = trainer.placed(data.gather(slice(None)), False)
        return _returned(trainer.evaluate_batch(*batch), return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs of one batch."""
        if self._network is None:
            self.build_for(x)
        (first, *_) = self._inputs.unpack("x", x)
        return self.predict(x, max(len(first), 1))


def _returned(scores: dict[str, float], return_dict: bool) -> Any:
    if return_dict:
        return scores
    values = list(scores.values())
    return values if len(values) > 1 else values[0]


def _input_batches(feed: Feed, x: Any, size: int, steps: int | None) -> Any:
    """The inputs of one batch after the other."""
    if not feeding.is_source(x):
        inputs = feed.inputs(x)
        for start in range(0, max(len(inputs[0]), 1), size)[:steps]:
            yield tuple([array[start : start + size] for array in inputs])
        return
    if isinstance(x, ArrayDataset):
        x = DataLoader(x, size)
    elif feeding.is_sequence(x):
        x = feeding.Shuffled(x, False)
    for batch in feeding.First(x, steps) if steps is not None else x:
        yield feed.inputs(feeding.unpacked(batch)[0])


def _validation(
    feed: Feed, given: Any, batch_size: int | None, steps: int | None
) -> Any:
    """What is evaluated: samples, for the trainer to cut, or batches."""
    x = given
    if isinstance(given, list | tuple):
        x, y, weight = feeding.unpacked(given)
        if not feeding.is_source(x):
            x = feed.samples(x, y, weight)
    if isinstance(x, feeding.Samples) and batch_size is None and steps is None:
        return x
    return feed.loader(x, batch_size=batch_size, steps=steps, restart=True)


def _split(data: Any, share: float) -> tuple[Any, Any]:
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
    if isinstance(data, feeding.Samples):
        return data.rows(slice(first)), data.rows(slice(first, None))
    # What changes samples at random changes those that are trained on.
    training = ArrayDataset(*data[:first], data.transform)
    return training, ArrayDataset(*data[first:])
