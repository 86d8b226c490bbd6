"""Between a Keras model and our trainer: inputs, metrics, weights of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn, optim
from tilewright.autograd import Tensor, no_grad
from tilewright.keras.losses import LossFunction
from tilewright.keras.metrics import Metric, SparseCategoricalAccuracy
from tilewright.keras.metrics import Native as NativeMetric
from tilewright.keras.models.network import Network
from tilewright.train import Trainer
from tilewright.train import metrics as native

Array = NDArray[Any]


class KerasTrainer(Trainer):
    """A trainer whose batches are prepared by the layers at the model's front."""

    def __init__(
        self,
        network: Network,
        body: nn.Module,
        optimizer: optim.Optimizer,
        loss: str | LossFunction,
        metrics: list[NativeMetric],
    ) -> None:
        super().__init__(body, optimizer, loss, metrics)
        self._network = network

    def prepare(self, x: Array, training: bool) -> Array:
        """Run the layers at the front."""
        return self._network.prepare(x, training)


def samples(x: Any, shape: tuple[int, ...]) -> Array:
    """Inputs as float32, with or without a last axis of 1 as the model has it.

    Raises
    ------
    ValueError
        If a sample has another shape than the model's input.
    """
    array = np.asarray(x)
    if array.shape[1:] != shape:
        if array.shape[1:] + (1,) == shape:
            array = array[..., None]
        elif array.shape[1:] == (*shape, 1):
            array = array[..., 0]
        else:
            raise ValueError(
                f"the model takes samples of shape {shape}, got x of shape "
                f"{array.shape}"
            )
    return np.ascontiguousarray(array, np.float32)


def class_weights(weight: Mapping[int, float] | None, width: int) -> Array | None:
    """Weights of classes as a vector, 1 where none is given.

    Raises
    ------
    ValueError
        If a class is none of the model's.
    """
    if not weight:
        return None
    vector = np.ones(max(width, 2), np.float32)
    for label, value in weight.items():
        if not 0 <= label < len(vector):
            raise ValueError(
                f"fit: class_weight is of class {label}, the model has {len(vector)}"
            )
        vector[label] = value
    return vector


class _Named:
    """A function with the name that it has in the history."""

    def __init__(self, name: str, function: Any, head: nn.Module | None) -> None:
        self.__name__ = name
        self._function = function
        self._head = head

    def __call__(self, outputs: Array, targets: Array) -> Any:
        """Compute, with probabilities where the trained part gives logits."""
        return self._function(_probabilities(self._head, outputs), targets)


class _Whole(native.Metric):
    """A metric of all batches, with the name that it has in the history."""

    def __init__(self, name: str, inner: native.Metric, head: nn.Module | None) -> None:
        self.name = name
        self.inner = inner
        self.head = head

    def reset(self) -> None:
        """Forget all batches."""
        self.inner.reset()

    def update(self, outputs: Array, targets: Array) -> None:
        """Take in one batch."""
        self.inner.update(_probabilities(self.head, outputs), targets)

    def result(self) -> float:
        """The number so far."""
        return self.inner.result()


def named_metric(metric: Metric, head: nn.Module | None) -> NativeMetric:
    """A metric as our trainer takes it.

    Parameters
    ----------
    metric : Metric
    head : Module or None
        The activation that the trained part lacks.
    """
    made = metric.make()
    # The largest output stays so through a softmax.
    needed = None if isinstance(metric, SparseCategoricalAccuracy) else head
    if isinstance(made, native.Metric):
        return _Whole(metric.name, made, needed)
    return _Named(metric.name, made, needed)


def _probabilities(head: nn.Module | None, outputs: Array) -> Array:
    if head is None:
        return outputs
    with no_grad():
        y = head(outputs)
    return y.data if isinstance(y, Tensor) else y
