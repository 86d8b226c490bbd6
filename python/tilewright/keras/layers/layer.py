"""What a Keras layer is here: modules of ours, made when its input is known."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor, no_grad
from tilewright.keras import naming, placement, regularizers
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import device_of

Array = NDArray[Any]
Shape = tuple[int, ...]
_Method = TypeVar("_Method", bound=Callable[..., Any])


def on_its_device(method: _Method) -> _Method:
    """A method of a layer, with the layer's GPU as CuPy's current one."""

    @functools.wraps(method)
    def there(self: Layer, *args: Any, **options: Any) -> Any:
        with devices.on(self.device):
            return method(self, *args, **options)

    return cast(_Method, there)


class Call:
    """One use of a layer while a model is put together.

    Attributes
    ----------
    layer : Layer
    inputs : list of KerasTensor
        What it was given.
    training : bool or None
        False where it computes as in evaluation, whatever the model does.
    """

    def __init__(
        self, layer: Layer, inputs: list[KerasTensor], training: bool | None = None
    ) -> None:
        self.layer = layer
        self.inputs = inputs
        self.training = training


class KerasTensor:
    """What a layer returns while a model is put together: a shape, and its origin.

    Sums, differences and products of two of them, or of one and a number, are layers
    too.

    Attributes
    ----------
    shape : tuple
        The batch's extent is None.
    call : Call
        What it comes from.
    index : int
        Which of the results of that.
    """

    def __init__(self, shape: Shape, call: Call, index: int = 0) -> None:
        self.sample_shape = shape
        self.call = call
        self.index = index

    @property
    def layer(self) -> Layer:
        """The layer that it comes from."""
        return self.call.layer

    @property
    def shape(self) -> tuple[int | None, ...]:
        """With the batch first."""
        return (None, *self.sample_shape)

    @property
    def name(self) -> str:
        """That of the layer."""
        return self.layer.name

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape} from {self.layer.name}>"

    def _joined(self, kind: str, other: Any) -> Any:
        from tilewright.keras import layers

        return getattr(layers, kind)()([self, other])

    def _scaled(self, scale: float, offset: float) -> Any:
        from tilewright.keras.layers import Rescaling

        return Rescaling(scale, offset)(self)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, KerasTensor):
            return self._joined("Add", other)
        return self._scaled(1.0, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, KerasTensor):
            return self._joined("Subtract", other)
        return self._scaled(1.0, -other)

    def __rsub__(self, other: Any) -> Any:
        return self._scaled(-1.0, other)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, KerasTensor):
            return self._joined("Multiply", other)
        return self._scaled(other, 0.0)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Any:
        return self._scaled(1 / other, 0.0)

    def __neg__(self) -> Any:
        return self._scaled(-1.0, 0.0)


class Layer:
    """Base of layers.

    Parameters
    ----------
    name : str, optional
    input_shape : tuple of int, optional
        Of one sample, where it is the first layer of a Sequential.
    trainable : bool, default True
        Whether training moves its weights.
    activity_regularizer : str or penalty, optional
        Of what the layer returns; its mean over the batch is added to the loss. The
        layer is then to be put after others once.

    Attributes
    ----------
    parts : list of Module
        What it consists of, once `built`.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: Shape | None = None,
        trainable: bool = True,
        activity_regularizer: Any = None,
    ) -> None:
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.name = name or naming.automatic(type(self).__name__)
        self.given_shape = None if input_shape is None else tuple(input_shape)
        self._trainable = trainable
        self.built = False
        self.parts: list[nn.Module] = []
        self._device = placement.chosen() or devices.CPU
        # One shape; of a model of several inputs or outputs, as they are given.
        self.input_shape: Any = ()
        self.output_shape: Any = ()
        self._returned: Any = None

    @property
    def device(self) -> str:
        """Where its weights are, or are going to be: ``"cpu"``, ``"cuda:0"``."""
        for _, value, _ in self.named_variables():
            return device_of(_array(value))
        return placement.chosen() or self._device

    @property
    def trainable(self) -> bool:
        """Whether training moves the weights; holds from `compile` on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.set_trainable(bool(value))

    def set_trainable(self, value: bool) -> None:
        """What setting `trainable` does."""
        self._trainable = value

    def make(self, shape: Shape) -> list[nn.Module]:
        """The modules for inputs of a shape, which has no batch in it."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Make the weights, on the device of the block of `keras.device` around.

        Parameters
        ----------
        input_shape : tuple
            With the batch, which may be None, first.
        """
        if not self.built:
            device = self.device
            self.parts = self.make(tuple(input_shape)[1:])
            if self.activity_regularizer is not None:
                self.parts = [*self.parts, Activity(self.activity_regularizer)]
            # Initial values are drawn on the CPU: they are the same everywhere.
            for part in self.parts:
                part.to(device)
            self.built = True

    def front(self) -> list[Any] | None:
        """The layers that prepare arrays, where it consists of nothing else."""
        return None

    def still(self) -> list[nn.Module]:
        """What computes as in evaluation even while the model is trained."""
        return []

    @property
    def results(self) -> int:
        """How many tensors a call returns."""
        return 1

    @on_its_device
    def infer(self, shapes: list[Shape]) -> Shape:
        """Shape of the output, by a sample of zeros."""
        x: Any = devices.moved(np.zeros((1, *shapes[0]), np.float32), self.device)
        with no_grad(), in_mode(self.parts, training=False):
            for part in self.parts:
                x = part(x)
        return tuple(x.shape[1:])

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Put the layer after others, or run it on an array.

        Parameters
        ----------
        inputs : KerasTensor or array_like
            Or a list of them; for a model of several inputs also a dict.
        training : bool, optional
            False where a model is put together: the layer computes as in evaluation
            even while the model is trained. On arrays False is the default.
        """
        given = list(inputs.values()) if isinstance(inputs, dict) else inputs
        given = given if isinstance(given, list | tuple) else [given]
        if all(isinstance(each, KerasTensor) for each in given):
            result = self.connect(Call(self, self.arranged(inputs), training))
            if self._returned is None:
                self._returned = result
            return result
        return self.run(inputs, bool(training))

    def arranged(self, inputs: Any) -> list[KerasTensor]:
        """What the layer was given, in a row."""
        return list(inputs) if isinstance(inputs, list | tuple) else [inputs]

    def connect(self, call: Call) -> Any:
        """The results of a call, as KerasTensors."""
        shapes = [each.sample_shape for each in call.inputs]
        self.build((None, *shapes[0]))
        shape = self.infer(shapes)
        known = [(None, *each) for each in shapes]
        self.input_shape = known if len(known) > 1 else known[0]
        self.output_shape = (None, *shape)
        return KerasTensor(shape, call)

    @property
    def output(self) -> Any:
        """What the layer returned when it was first put after others.

        Raises
        ------
        AttributeError
            If it was not.
        """
        if self._returned is None:
            raise AttributeError(f"{self.name}: has not been put after others yet")
        return self._returned

    @property
    def input(self) -> Any:
        """What it was given then; a list where there are several."""
        inputs = self.output.call.inputs
        return inputs if len(inputs) > 1 else inputs[0]

    @on_its_device
    def run(self, x: Any, training: bool) -> Tensor:
        """Compute with an array, or with a tensor on the layer's device."""
        x = x if isinstance(x, Tensor) else np.asarray(x, np.float32)
        self.build(x.shape)
        if not isinstance(x, Tensor):
            x = Tensor(devices.moved(x, self.device))
        with in_mode(self.parts, training):
            for part in self.parts:
                x = part(x)
        return x  # type: ignore[no-any-return]

    # Weights, in Keras's order.

    def named_variables(self) -> list[tuple[str, Any, bool]]:
        """Names and tensors or arrays of the weights, and whether they are trained."""
        found: list[tuple[str, Any, bool]] = []
        for part in self.parts:
            for name in ("weight", "bias"):
                value = vars(part).get(name)
                if isinstance(value, nn.Parameter):
                    found.append((name, value, self.trainable))
        return found

    def keras_shape(self, name: str, shape: Shape) -> Shape:
        """Shape of a weight in Keras, where it is another one."""
        return shape

    @property
    def trainable_weights(self) -> list[Array]:
        """The arrays of those that training moves."""
        return self._chosen(True)

    @property
    def non_trainable_weights(self) -> list[Array]:
        """The arrays of the others."""
        return self._chosen(False)

    def _chosen(self, trained: bool) -> list[Array]:
        pairs = zip(self.weights, self.named_variables(), strict=True)
        return [weight for weight, (*_, trains) in pairs if trains == trained]

    # Keras has both names for them.
    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    @property
    def variables(self) -> list[Array]:
        """The same as `weights`."""
        return self.weights

    @property
    @on_its_device
    def weights(self) -> list[Array]:
        """The arrays of the weights themselves, in their shapes in Keras.

        On a GPU they are CuPy's; `get_weights` returns NumPy's everywhere.
        """
        return [
            _array(value).reshape(self.keras_shape(name, _array(value).shape))
            for name, value, _ in self.named_variables()
        ]

    @on_its_device
    def get_weights(self) -> list[Array]:
        """Copies of the weights, NumPy's wherever they are.

        Examples
        --------
        >>> from tilewright.keras import layers
        >>> dense = layers.Dense(3)
        >>> dense.build((None, 2))
        >>> [weight.shape for weight in dense.get_weights()]
        [(2, 3), (3,)]
        """
        return [devices.host_copy(weight) for weight in self.weights]

    @on_its_device
    def set_weights(self, weights: Any) -> None:
        """Take over weights, all of them or, where one does not fit, none.

        Parameters
        ----------
        weights : list of array_like
            In the order of `get_weights`.

        Raises
        ------
        ValueError
            If their number or a shape differs.
        """
        check_weights(self.name, weights, self.weights)
        for (_, value, _), given in zip(self.named_variables(), weights, strict=True):
            target = _array(value)
            values = np.asarray(devices.to_host(given)).reshape(target.shape)
            devices.assign(target, values)
            if isinstance(value, Tensor):
                value._version.number += 1

    def count_params(self) -> int:
        """Number of weights."""
        return sum(weight.size for weight in self.weights)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again, for a file."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = self.activity_regularizer
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Make a layer of what `get_config` returned."""
        return cls(**config)


class Activity(nn.Module):
    """Passes on what it is given, and holds its penalty for the loss."""

    def __init__(self, penalty: nn.L1L2) -> None:
        self.penalty = penalty
        # In a list, for it is no part of the module.
        self._latest: list[Tensor] = []

    def forward(self, x: Any) -> Tensor:
        """Note the mean over the samples."""
        y = x if isinstance(x, Tensor) else Tensor(x)
        self._latest[:] = [self.penalty(y) * (1 / max(len(y), 1))]
        return y

    def take(self) -> Tensor:
        """The penalty of the latest batch."""
        return self._latest.pop()


@contextlib.contextmanager
def in_mode(parts: Sequence[nn.Module], training: bool) -> Iterator[None]:
    """Modules in training or in evaluation inside of a ``with`` block.

    A run that is under way goes on in the mode that it was in.
    """
    modes = [(module, module.training) for p in parts for module in p.modules()]
    for part in parts:
        part.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def check_weights(name: str, given: Any, expected: list[Array]) -> None:
    """Raise ValueError where weights do not fit."""
    shapes = [np.shape(weight) for weight in given]
    wanted = [weight.shape for weight in expected]
    if shapes != wanted:
        raise ValueError(
            f"set_weights: {name} has weights of shapes {wanted}, got {shapes}"
        )


def _array(value: Any) -> Array:
    array: Array = value.data if isinstance(value, Tensor) else value
    return array
