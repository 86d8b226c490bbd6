"""What Keras calls an optimizer: settings, until a model gives it weights to move."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from tilewright import nn, optim
from tilewright.keras.naming import resolve, snake_case
from tilewright.keras.optimizers.native import (
    KerasAdagrad,
    KerasAdam,
    KerasAdamW,
    KerasRMSprop,
    set_rate,
)
from tilewright.train import Callback, GradientClipping
from tilewright.train.run import Run


class Optimizer:
    """Base of optimizers.

    Attributes
    ----------
    learning_rate : float or LearningRateSchedule
        May be set between epochs.
    native : Optimizer of `tilewright.optim`
        Once a model is compiled with it and has weights.
    """

    # Whether weight decay, which Keras takes off the weights, is possible.
    _decays: ClassVar[bool] = False

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
    ) -> None:
        if weight_decay and not self._decays:
            raise ValueError(
                f"{type(self).__name__}: weight_decay is for Adam and AdamW; give the "
                "layers a kernel_regularizer"
            )
        self.name = name or snake_case(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.iterations = 0
        self.native: optim.Optimizer | None = None
        self._learning_rate = learning_rate

    def _make(self, parameters: list[nn.Parameter], rate: float) -> optim.Optimizer:
        raise NotImplementedError

    def bind(self, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
        """Make the optimizer of ours over some weights.

        Parameters
        ----------
        parameters : iterable of Parameter

        Returns
        -------
        Optimizer of `tilewright.optim`
        """
        self.iterations = 0
        self.native = self._make(list(parameters), self.rate())
        return self.native

    def rate(self) -> float:
        """The learning rate of the next step."""
        rate = self._learning_rate
        return float(rate(self.iterations) if callable(rate) else rate)

    @property
    def learning_rate(self) -> Any:
        """A number, or the schedule."""
        rate = self._learning_rate
        return rate if callable(rate) else Rate(rate, self)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._learning_rate = value
        if self.native is not None:
            set_rate(self.native, self.rate())

    lr = learning_rate

    def callbacks(self) -> list[Callback]:
        """What a run needs for the schedule and the limits on gradients."""
        found: list[Callback] = [_Steps(self)]
        if self.clipnorm is not None:
            found.append(GradientClipping(self.clipnorm, each=True))
        if self.clipvalue is not None or self.global_clipnorm is not None:
            found.append(GradientClipping(self.global_clipnorm, self.clipvalue))
        return found

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same again."""
        hidden = ("iterations", "native", "_learning_rate")
        config = {k: v for k, v in vars(self).items() if k not in hidden}
        return {"learning_rate": self._learning_rate, **config}


class Rate(float):
    """A learning rate, which is a variable in Keras.

    Examples
    --------
    >>> from tilewright.keras import optimizers
    >>> sgd = optimizers.SGD(0.5)
    >>> sgd.learning_rate.assign(0.25)
    >>> sgd.learning_rate.numpy()
    0.25
    """

    def __new__(cls, value: float, optimizer: Optimizer) -> Rate:
        """Make the number, which knows whose it is."""
        rate = super().__new__(cls, value)
        rate._optimizer = optimizer
        return rate

    _optimizer: Optimizer

    def __repr__(self) -> str:
        return float.__repr__(self)

    def numpy(self) -> float:
        """The number."""
        return float(self)

    def assign(self, value: float) -> None:
        """Set it."""
        self._optimizer.learning_rate = float(value)


class _Steps(Callback):
    """Counts the steps, and sets the rate of the next one."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer

    def on_batch_end(self, run: Run) -> None:
        """One step more."""
        optimizer = self._optimizer
        optimizer.iterations += 1
        if callable(optimizer.learning_rate) and optimizer.native is not None:
            set_rate(optimizer.native, optimizer.rate())


class SGD(Optimizer):
    """Gradient descent, with momentum where it is asked for.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.01
    momentum : float, default 0.0
    nesterov : bool, default False
    clipnorm, clipvalue, global_clipnorm : float, optional
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **general: Any,
    ) -> None:
        super().__init__(learning_rate, **general)
        self.momentum = momentum
        self.nesterov = nesterov

    def _make(self, parameters: list[nn.Parameter], rate: float) -> optim.Optimizer:
        nesterov = self.nesterov and self.momentum > 0
        return optim.SGD(parameters, rate, self.momentum, nesterov=nesterov)


class Adam(Optimizer):
    """Adam.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    beta_1, beta_2 : float, default 0.9 and 0.999
    epsilon : float, default 1e-7
    weight_decay : float, optional
        Taken off the weights before each step.
    clipnorm, clipvalue, global_clipnorm : float, optional
    """

    _decays = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **general: Any,
    ) -> None:
        super().__init__(learning_rate, **general)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def _make(self, parameters: list[nn.Parameter], rate: float) -> optim.Optimizer:
        kind = KerasAdamW if self.weight_decay else KerasAdam
        return kind(
            parameters,
            rate,
            (self.beta_1, self.beta_2),
            self.epsilon,
            self.weight_decay or 0.0,
        )


class AdamW(Adam):
    """Adam with a weight decay of 0.004 unless told otherwise.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    weight_decay : float, default 0.004
    beta_1, beta_2 : float, default 0.9 and 0.999
    epsilon : float, default 1e-7
    clipnorm, clipvalue, global_clipnorm : float, optional
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **general: Any,
    ) -> None:
        general["weight_decay"] = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **general)


class RMSprop(Optimizer):
    """RMSprop.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    rho : float, default 0.9
    momentum : float, default 0.0
    epsilon : float, default 1e-7
    centered : bool, default False
    clipnorm, clipvalue, global_clipnorm : float, optional
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **general: Any,
    ) -> None:
        super().__init__(learning_rate, **general)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def _make(self, parameters: list[nn.Parameter], rate: float) -> optim.Optimizer:
        return KerasRMSprop(
            parameters,
            rate,
            self.rho,
            self.epsilon,
            momentum=self.momentum,
            centered=self.centered,
        )


class Adagrad(Optimizer):
    """Adagrad.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule, default 0.001
    initial_accumulator_value : float, default 0.1
    epsilon : float, default 1e-7
    clipnorm, clipvalue, global_clipnorm : float, optional
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **general: Any,
    ) -> None:
        super().__init__(learning_rate, **general)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def _make(self, parameters: list[nn.Parameter], rate: float) -> optim.Optimizer:
        return KerasAdagrad(
            parameters,
            rate,
            initial_accumulator_value=self.initial_accumulator_value,
            eps=self.epsilon,
        )


_KNOWN: dict[str, type[Optimizer]] = {
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "sgd": SGD,
}


def get(optimizer: Any) -> Optimizer:
    """An optimizer by its name, or itself.

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is neither.

    Examples
    --------
    >>> from tilewright.keras import optimizers
    >>> optimizers.get("adam").epsilon
    1e-07
    """
    if isinstance(optimizer, str):
        optimizer = optimizer.lower()
    found = resolve("optimizer", optimizer, _KNOWN)
    if not isinstance(found, Optimizer):
        raise TypeError(
            "an optimizer must be a name or one of keras.optimizers, got "
            f"{type(found).__name__}"
        )
    return found
