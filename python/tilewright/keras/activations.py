"""Activations by their Keras names, and what each is in `tilewright.nn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tilewright import nn
from tilewright.nn import functional
from tilewright.nn.functional import (
    elu,
    gelu,
    log_softmax,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)

__all__ = [
    "elu",
    "gelu",
    "get",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

swish = silu
hard_sigmoid = functional.hardsigmoid


def linear(x: Any) -> Any:
    """``x`` itself."""
    return x


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """``x`` where it is positive, else ``negative_slope * x``; Keras's slope is 0.2."""
    return functional.leaky_relu(x, negative_slope)


_LAYERS: dict[str, Callable[[], nn.Module | None]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "hard_sigmoid": nn.Hardsigmoid,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "linear": lambda: None,
    "log_softmax": nn.LogSoftmax,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softmax": nn.Softmax,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
}


class _Applied(nn.Module):
    """A function of the user's own as a layer."""

    runs_other_code = True

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        """Apply it."""
        return self.function(x)


def name_of(activation: Any) -> Any:
    """The name of one of ours, as a layer's configuration has it; else itself."""
    if activation is None:
        return "linear"
    name = getattr(activation, "__name__", None)
    if name == "hardsigmoid":
        name = "hard_sigmoid"
    if callable(activation) and name in _LAYERS and globals().get(name) is activation:
        return name
    return activation


def get(activation: Any) -> nn.Module | None:
    """The layer of an activation; None where it changes nothing.

    Parameters
    ----------
    activation : str, callable or None

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is neither.

    Examples
    --------
    >>> from tilewright.keras import activations
    >>> activations.get("relu")
    ReLU()
    """
    named = name_of(activation)
    if isinstance(named, str):
        if named not in _LAYERS:
            raise ValueError(
                f"unknown activation {named!r}; expected one of {', '.join(_LAYERS)}"
            )
        return _LAYERS[named]()
    if isinstance(named, nn.Module):
        return named
    if not callable(named):
        raise TypeError(
            f"activation must be a name or a function, got {type(activation).__name__}"
        )
    return _Applied(named)
