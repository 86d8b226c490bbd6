"""What a Keras model is trained for: the losses and the metrics of its outputs."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn, optim
from tilewright.autograd import Tensor, no_grad
from tilewright.keras import losses, metrics
from tilewright.keras.layers.layer import Activity
from tilewright.keras.losses import CategoricalCrossentropy, Loss
from tilewright.keras.metrics import Metric, SparseCategoricalAccuracy
from tilewright.keras.models.network import Network
from tilewright.keras.models.structure import Structure
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import on_device
from tilewright.nn.module import device_of
from tilewright.train import Trainer
from tilewright.train import metrics as native
from tilewright.train.run import Loader, batches_on, moved_batch
from tilewright.train.step_plan import flat

Array = NDArray[Any]


@dataclass
class Target:
    """An output that has a loss or metrics, and so targets.

    Attributes
    ----------
    number : int
        Of the output.
    name : str
    width : int
        Numbers that a sample has along the last axis.
    loss : Loss or None
    share : float or None
        What the loss is multiplied by.
    head : Module or None
        The activation that the trained part lacks.
    metrics, weighted : list of Metric
    """

    number: int
    name: str
    width: int
    loss: Loss | None
    share: float | None
    head: nn.Module | None = None
    metrics: list[Metric] = field(default_factory=list)
    weighted: list[Metric] = field(default_factory=list)

    def array(self, y: Any) -> Array:
        """Targets as the loss takes them."""
        return np.asarray(y) if self.loss is None else self.loss.targets(y)


class Compiled:
    """The arguments of `compile`, and what they mean for a model's outputs.

    Parameters
    ----------
    loss : str, Loss or function, or list or dict of them
    loss_weights : float, or list or dict of them, optional
    metrics, weighted_metrics : list, or list or dict of lists, optional
    """

    def __init__(
        self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any
    ) -> None:
        self.loss = _each(losses.get, loss)
        self.loss_weights = _each(_number, loss_weights)
        self.metrics = metrics
        self.weighted_metrics = weighted_metrics

    def targets(self, outputs: Structure, network: Network) -> list[Target]:
        """The outputs that have a loss or metrics.

        Raises
        ------
        ValueError
            If an argument is not for these outputs, or a name is unknown.
        RuntimeError
            If there is no loss.
        """
        count = len(outputs)
        if isinstance(self.loss, list | tuple | Mapping):
            chosen = _of_outputs("loss", outputs, self.loss)
        else:
            chosen = [self.loss] * count
        shares: list[Any] = [None] * count
        if isinstance(self.loss_weights, int | float):
            shares = [self.loss_weights] * count
        elif self.loss_weights is not None:
            shares = _of_outputs("loss_weights", outputs, self.loss_weights)
        own = self._metrics("metrics", outputs, self.metrics)
        weighted = self._metrics("weighted_metrics", outputs, self.weighted_metrics)
        found = []
        for number, (name, tensor) in enumerate(
            zip(outputs.names, outputs.tensors, strict=True)
        ):
            loss = chosen[number]
            if loss is None and not own[number] and not weighted[number]:
                continue
            width = tensor.sample_shape[-1] if tensor.sample_shape else 1
            target = Target(number, name, width, loss, shares[number])
            head = network.heads[number]
            target.head = head if loss is not None and loss.cuts(head) else None
            for each, names in ((target.metrics, own), (target.weighted, weighted)):
                each += [metrics.get(name, loss, width) for name in names[number]]
            found.append(target)
        if not any(target.loss for target in found):
            raise RuntimeError("call compile with a loss first")
        return found

    @staticmethod
    def _metrics(argument: str, outputs: Structure, value: Any) -> list[list[Any]]:
        if value is None:
            return [[] for _ in outputs.names]
        if len(outputs) == 1:
            if isinstance(value, Mapping):
                value = [each for values in value.values() for each in _listed(values)]
            return [[each for values in _listed(value) for each in _listed(values)]]
        return [_listed(each) for each in _of_outputs(argument, outputs, value)]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"compile: loss_weights must be numbers, got {value!r}")
    return float(value)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _each(function: Any, value: Any) -> Any:
    """A function of a value, or of those in a list or a dict; None stays None."""
    if isinstance(value, Mapping):
        return {name: _each(function, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_each(function, each) for each in value]
    return None if value is None else function(value)


def _of_outputs(argument: str, outputs: Structure, value: Any) -> list[Any]:
    """Something for each output, from a list or a dict by their names."""
    names = outputs.names
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in names]
        if unknown:
            raise ValueError(
                f"compile: {argument} is for {', '.join(map(repr, unknown))}, the "
                f"outputs are {', '.join(map(repr, names))}"
            )
        return [value.get(name) for name in names]
    if not isinstance(value, list | tuple) or len(value) != len(names):
        raise ValueError(
            f"compile: {argument} must have one entry for each of the outputs "
            f"{', '.join(map(repr, names))}, got {value!r}"
        )
    return list(value)


class Objective:
    """The loss of a batch: the sum of the outputs' losses, and each where several are.

    Targets come as an array where there is one, else as a tuple, in which the weights
    of the samples may follow.

    Parameters
    ----------
    targets : list of Target
    activities : list of Activity
        Layers whose results have penalties.
    """

    def __init__(self, targets: list[Target], activities: list[Activity]) -> None:
        self._targets = targets
        self._activities = activities

    def __call__(self, outputs: Any, y: Any) -> Any:
        """Compute with tensors of outputs and arrays of targets."""
        given, weights = _split(y, len(self._targets))
        parts, total = [], None
        for place, target in enumerate(self._targets):
            if target.loss is None:
                continue
            value = target.loss.total(
                outputs[target.number] if isinstance(outputs, tuple) else outputs,
                given[place],
                weights[place] if weights else None,
                target.head is not None,
            )
            parts.append(value)
            scaled = value if target.share is None else value * target.share
            total = scaled if total is None else total + scaled
        for activity in self._activities:
            total = total + activity.take()
        return total if len(parts) == 1 else (total, *parts)


def _split(y: Any, count: int) -> tuple[Sequence[Array], Sequence[Array]]:
    """Targets and weights."""
    if not isinstance(y, tuple):
        return (y,), ()
    return y[:count], y[count:]


class KerasTrainer(Trainer):
    """A trainer of a Keras model.

    Parameters
    ----------
    network : Network
    targets : list of Target
    optimizer : Optimizer of `tilewright.optim`
    still : list of Module
        Those that compute as in evaluation while the others are trained.
    """

    def __init__(
        self,
        network: Network,
        targets: list[Target],
        optimizer: optim.Optimizer,
        still: list[nn.Module],
    ) -> None:
        whole = [True] * len(network.heads)
        for target in targets:
            whole[target.number] = target.head is None
        several = len(whole) > 1
        model = network.ended(whole)
        activities = [each for each in model.modules() if isinstance(each, Activity)]
        super().__init__(
            model,
            optimizer,
            Objective(targets, activities),
            _metrics(targets, len(whole) if several else None),
        )
        self._own_loss = all(t.loss is None or t.loss.replays for t in targets)
        self._network = network
        self._still = still

    def set_training(self) -> None:
        """Training mode for all but those that are not trained."""
        super().set_training()
        for module in self._still:
            module.eval()

    def batches(self, loader: Loader, training: bool) -> Iterator[tuple[Any, Any]]:
        """The batches of a loader where the model is.

        Layers at the front compute on the CPU, each time just before the step: their
        random numbers are drawn in the same order on every device.
        """
        if device_of(self.model) == devices.CPU or not self._network.prepares:
            return super().batches(loader, training)
        on_cpu = batches_on(loader, devices.CPU)
        return (self.placed(batch, training) for batch in on_cpu)

    def placed(self, batch: tuple[Any, Any], training: bool) -> tuple[Any, Any]:
        """A batch of NumPy's as a step takes it: for a GPU prepared, and on it."""
        device = device_of(self.model)
        if device == devices.CPU:
            return batch
        x, y = batch
        x = self._network.prepare(x, training)
        return moved_batch(x, device), moved_batch(y, device)

    def prepare(self, x: Any, training: bool) -> Any:
        """Run the layers at the front; what is on a GPU has been through them."""
        return x if on_device(flat(x)[0]) else self._network.prepare(x, training)


def _metrics(targets: list[Target], outputs: int | None) -> list[Any]:
    """The metrics as our trainer takes them, with the names of the history.

    Parameters
    ----------
    targets : list of Target
    outputs : int or None
        How many there are; None where there is one.
    """
    found: list[Any] = []
    names: dict[str, int] = {}
    with_loss = [target for target in targets if target.loss is not None]
    if outputs is not None and len(with_loss) > 1:
        for place, target in enumerate(with_loss):
            found.append(_Part(f"{target.name}_loss", outputs + place))

    def named(target: Target, metric: Metric, weighted: bool) -> str:
        prefix = "" if outputs is None else f"{target.name}_"
        name = prefix + metric.name
        if weighted and name in names:
            name = f"{prefix}weighted_{metric.name}"
        number = names.get(name, 0)
        names[name] = number + 1
        return f"{name}_{number}" if number else name

    for weighted in (False, True):
        for place, target in enumerate(targets):
            for metric in target.weighted if weighted else target.metrics:
                reading = _Reading(metric, target, place, len(targets))
                name = named(target, metric, weighted)
                found.append(_native(name, metric, reading, weighted))
    return found


class _Part:
    """The loss of one output, which the objective adds to the outputs."""

    def __init__(self, name: str, place: int) -> None:
        self.__name__ = name
        self._place = place

    def __call__(self, outputs: Any, y: Any) -> float:
        """The mean over the batch."""
        return float(outputs[self._place])


class _Reading:
    """What a metric looks at: probabilities, targets and weights of one output."""

    def __init__(
        self, metric: Metric, target: Target, place: int, targets: int
    ) -> None:
        # The largest output stays so through a softmax.
        same = isinstance(metric, SparseCategoricalAccuracy)
        self._head = None if same else target.head
        # Rows of zeros with a one have become class ids.
        ours = type(metric).__module__ == metrics.__name__
        own = not ours or isinstance(metric, metrics.FunctionMetric)
        self._rows = own and isinstance(target.loss, CategoricalCrossentropy)
        self._number = target.number
        self._place, self._targets = place, targets

    def __call__(self, outputs: Any, y: Any) -> tuple[Array, Array, Array | None]:
        """Pick them out of a batch."""
        given, weights = _split(y, self._targets)
        values = outputs[self._number] if isinstance(outputs, tuple) else outputs
        if self._head is not None:
            with no_grad():
                ended = self._head(values)
            values = ended.data if isinstance(ended, Tensor) else ended
        targets = given[self._place]
        if self._rows and targets.ndim < values.ndim:
            targets = np.eye(values.shape[-1], dtype=np.float32)[targets]
        return values, targets, weights[self._place] if weights else None


def _native(name: str, metric: Metric, reading: _Reading, weighted: bool) -> Any:
    made = metric.make()
    if isinstance(made, native.Metric):
        return _Whole(name, made, reading, weighted)
    if weighted:
        return _Weighted(name, made, reading)
    return _Mean(name, made, reading)


class _Mean:
    """A mean over samples."""

    def __init__(self, name: str, function: Any, reading: _Reading) -> None:
        self.__name__ = name
        self._function = function
        self._reading = reading

    def __call__(self, outputs: Any, y: Any) -> Any:
        """One value each, or the mean of the batch."""
        values, targets, _ = self._reading(outputs, y)
        return self._function(values, targets)


class _Weighted(native.Metric):
    """A mean over samples that have weights."""

    def __init__(self, name: str, function: Any, reading: _Reading) -> None:
        self.name = name
        self._function = function
        self._reading = reading
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self.total = self.weight = 0.0

    def update(self, outputs: Any, targets: Any) -> None:
        """Take in one batch."""
        values, given, weights = self._reading(outputs, targets)
        each = metrics.by_sample(self._function(values, given), len(given))
        shares = metrics.sample_shares(weights, each)
        self.total += float(each @ shares)
        self.weight += float(shares.sum())

    def result(self) -> float:
        """The number so far."""
        return self.total / self.weight if self.weight else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Both sums."""
        return {"total": self.total, "weight": self.weight}


class _Whole(native.Metric):
    """A metric that is more than a mean."""

    def __init__(
        self, name: str, inner: native.Metric, reading: _Reading, weighted: bool
    ) -> None:
        self.name = name
        self.inner = inner
        self._reading = reading
        self._weighted = weighted
        if weighted and not getattr(inner, "takes_weights", False):
            raise ValueError(f"compile: {name} takes no weights; give it as a metric")

    def reset(self) -> None:
        """Forget all batches, and leave copies of this metric alone."""
        self.inner = copy.copy(self.inner)
        self.inner.reset()

    def update(self, outputs: Any, targets: Any) -> None:
        """Take in one batch."""
        values, given, weights = self._reading(outputs, targets)
        if self._weighted and weights is not None:
            self.inner.update(values, given, weights)  # type: ignore[call-arg]
        else:
            self.inner.update(values, given)

    def result(self) -> float:
        """The number so far."""
        return self.inner.result()

    def state_dict(self) -> dict[str, Any]:
        """What the metric has gathered."""
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.inner.load_state_dict(state)
