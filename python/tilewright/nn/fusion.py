"""How Sequential runs its modules: neighbours that one kernel can do become one step.

Conv2d or Linear takes the activation after it into its epilogue, and Conv2d also the
max pooling after that; batch normalization takes a ReLU. It is one pass over memory
instead of two or three, forward and backward. Results are those of the modules one by
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tilewright.nn import functional
from tilewright.nn.activation import GELU, ReLU, Sigmoid, Tanh
from tilewright.nn.convolution import Conv2d
from tilewright.nn.linear import Linear
from tilewright.nn.module import Module
from tilewright.nn.normalization import BatchNorm1d, BatchNorm2d
from tilewright.nn.pooling import MaxPool2d

Step = Callable[[Any], Any]
_Kind = TypeVar("_Kind", bound=Module)

# What the epilogues of gemm and conv2d can do.
_EPILOGUES: dict[type[Module], str] = {
    ReLU: "relu",
    Sigmoid: "sigmoid",
    Tanh: "tanh",
    GELU: "gelu",
}
_KINDS: tuple[type[Module], ...] = (
    Conv2d,
    Linear,
    BatchNorm1d,
    BatchNorm2d,
    MaxPool2d,
    *_EPILOGUES,
)
# Taken now: a class may have its forward replaced later, and is then let alone.
_FORWARD = {kind: kind.forward for kind in _KINDS}
_CALL = Module.__call__
# One byte says where a maximum stood, and that relu let nothing through.
_LARGEST_WINDOW = 254


def steps(modules: Iterable[Module]) -> list[Step]:
    """What to call one after the other to run modules in a row.

    Parameters
    ----------
    modules : iterable of Module

    Returns
    -------
    list of callable
        Each from one input to one output. They read sizes and parameters from the
        modules when they are called.
    """
    row = list(modules)
    found: list[Step] = []
    position = 0
    while position < len(row):
        step, count = _fused(row, position)
        found.append(step)
        position += count
    return found


def _fused(row: list[Module], position: int) -> tuple[Step, int]:
    """The step that begins at a position, and how many modules it covers."""
    module = row[position]
    following = row[position + 1 : position + 3]
    conv = _plain(module, Conv2d)
    if conv is not None:
        activation = _epilogue(following)
        taken = 1 if activation == "none" else 2
        if activation in ("none", "relu"):
            pool = _pooling(following[taken - 1 :])
            if pool is not None:
                return _conv2d_max_pool2d(conv, activation, pool), taken + 1
        if taken == 2:
            return _conv2d(conv, activation), taken
    linear = _plain(module, Linear)
    if linear is not None:
        activation = _epilogue(following)
        if activation != "none":
            return _linear(linear, activation), 2
    norm = _plain(module, BatchNorm2d) or _plain(module, BatchNorm1d)
    if norm is not None and _epilogue(following) == "relu":
        return _batch_norm(norm), 2
    if type(module).__call__ is _CALL and not module._hooks:
        return module.forward, 1
    return module, 1


def is_plain(module: Module) -> bool:
    """Whether calling a module runs the forward of its class and nothing else."""
    return (
        type(module).__call__ is _CALL
        and not module._hooks
        and "forward" not in module.__dict__
    )


def is_own(module: Module) -> bool:
    """Whether a module runs code of this package alone."""
    kind = type(module)
    ours = kind.__module__.startswith("tilewright.") and not kind.runs_other_code
    return ours and is_plain(module)


def _plain(module: Module, kind: type[_Kind]) -> _Kind | None:
    """The module, if calling it does what the class of ours does and no more."""
    if (
        isinstance(module, kind)
        and type(module).forward is _FORWARD[kind]
        and is_plain(module)
    ):
        return module
    return None


def _epilogue(following: list[Module]) -> str:
    if following:
        for kind, name in _EPILOGUES.items():
            if _plain(following[0], kind) is not None:
                return name
    return "none"


def _pooling(following: list[Module]) -> MaxPool2d | None:
    """The pooling next in the row, if the fused kernel can do it."""
    pool = _plain(following[0], MaxPool2d) if following else None
    if pool is None or pool.padding not in (0, (0, 0)):
        return None
    size = pool.kernel_size
    taps = size * size if isinstance(size, int) else size[0] * size[1]
    return pool if taps <= _LARGEST_WINDOW else None


def _conv2d(conv: Conv2d, activation: str) -> Step:
    def step(x: Any) -> Any:
        return functional.conv2d(
            x,
            conv.weight,
            conv.bias,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
            activation,
        )

    return step


def _conv2d_max_pool2d(conv: Conv2d, activation: str, pool: MaxPool2d) -> Step:
    def step(x: Any) -> Any:
        return functional.conv2d_max_pool2d(
            x,
            conv.weight,
            pool.kernel_size,
            conv.bias,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
            activation,
            pool.stride,
        )

    return step


def _linear(linear: Linear, activation: str) -> Step:
    def step(x: Any) -> Any:
        return functional.linear(x, linear.weight, linear.bias, activation)

    return step


def _batch_norm(norm: BatchNorm1d | BatchNorm2d) -> Step:
    return lambda x: norm.activated(x, "relu")
