"""Penalties on the weights of single layers: L1, L2 and both.

    nn.regularize(model[0], weight=nn.L2(1e-4))

The Trainer adds the penalties to the loss; in a loop of one's own it is
``loss + nn.penalty(model)``. A penalty on all weights is cheaper as the optimizer's
``weight_decay``, which its kernel does in passing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tilewright.autograd import Tensor
from tilewright.autograd.arrays import boxed
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.kernels import checks
from tilewright.nn.module import Module
from tilewright.nn.parameter import Parameter
from tilewright.nn.types import Array


class _Penalty(Function):
    gradient_memory = "new"

    @staticmethod
    def forward(ctx: Context, weight: Array, *, l1: float, l2: float) -> Array:
        ctx.l1, ctx.l2 = l1, l2
        ctx.save_for_backward(weight)
        with np.errstate(all="ignore"):
            total = l2 * np.sum(weight * weight, dtype=np.float64)
            if l1:
                total += l1 * np.sum(np.abs(weight), dtype=np.float64)
        return boxed(total).astype(weight.dtype)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        (weight,) = ctx.saved
        gradient: Array = weight * (2 * ctx.l2 * dy)
        if ctx.l1:
            gradient += np.sign(weight) * (ctx.l1 * dy)
        return gradient


class L1L2:
    """``l1 * sum(abs(w)) + l2 * sum(w**2)``: the elastic penalty.

    Parameters
    ----------
    l1, l2 : float, default 0.0

    Raises
    ------
    ValueError
        If a factor is negative.

    References
    ----------
    H. Zou and T. Hastie, "Regularization and Variable Selection via the Elastic Net",
    2005.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.L1L2(l1=0.5, l2=0.25)(nn.Parameter(np.array([2, -4], np.float32))).item()
    8.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        name = type(self).__name__
        self.l1 = checks.number(name, "l1", l1)
        self.l2 = checks.number(name, "l2", l2)

    def __call__(self, weight: Tensor) -> Tensor:
        """The penalty of a weight, as a tensor without axes."""
        return _Penalty.apply(weight, l1=self.l1, l2=self.l2)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, L1L2):
            return NotImplemented
        return (self.l1, self.l2) == (other.l1, other.l2)

    def __hash__(self) -> int:
        return hash((self.l1, self.l2))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(l1={self.l1:g}, l2={self.l2:g})"


class L1(L1L2):
    """``l1 * sum(abs(w))``: drives weights to exactly 0.

    Parameters
    ----------
    l1 : float, default 0.01

    Raises
    ------
    ValueError
        If the factor is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.L1(0.5)(nn.Parameter(np.array([2, -4], np.float32))).item()
    3.0
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """``l2 * sum(w**2)``; its gradient is ``2 * l2 * w``.

    Parameters
    ----------
    l2 : float, default 0.01

    Raises
    ------
    ValueError
        If the factor is negative.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.L2(0.25)(nn.Parameter(np.array([2, -4], np.float32))).item()
    5.0
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


def regularize(module: Module, **penalties: L1L2 | None) -> Module:
    """Give parameters of one layer a penalty, in place of what they had.

    Parameters
    ----------
    module : Module
    **penalties : L1, L2, L1L2 or None
        By the name of the parameter; None takes the penalty off.

    Returns
    -------
    Module
        The same one.

    Raises
    ------
    ValueError
        If the layer has no parameter of that name.
    TypeError
        If it is no penalty.

    Examples
    --------
    >>> from tilewright import nn
    >>> layer = nn.regularize(nn.Linear(4, 2), weight=nn.L2(1e-4))
    >>> layer.regularizers
    {'weight': L2(l1=0, l2=0.0001)}
    """
    known = dict(getattr(module, "regularizers", {}))
    for name, penalty in penalties.items():
        if not isinstance(vars(module).get(name), Parameter):
            raise ValueError(
                f"regularize: {type(module).__name__} has no parameter {name!r}"
            )
        if penalty is None:
            known.pop(name, None)
        elif isinstance(penalty, L1L2):
            known[name] = penalty
        else:
            raise TypeError(
                f"regularize: {name} must be L1, L2, L1L2 or None, got "
                f"{type(penalty).__name__}"
            )
    # A new dict: what was recorded of the model is void.
    module.regularizers = known
    return module


def regularized(model: Module) -> Iterator[tuple[Parameter, L1L2]]:
    """The parameters of a model that have a penalty.

    Parameters
    ----------
    model : Module

    Yields
    ------
    Parameter, L1L2
    """
    for module in model.modules():
        penalties: dict[str, Any] = getattr(module, "regularizers", {})
        for name, penalty in penalties.items():
            parameter = vars(module).get(name)
            if isinstance(parameter, Parameter):
                yield parameter, penalty


def penalty(model: Module) -> Tensor | None:
    """The sum of all penalties in a model.

    Parameters
    ----------
    model : Module

    Returns
    -------
    Tensor or None
        None where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> layer = nn.Linear(2, 1)
    >>> nn.init.ones_(layer.weight)
    Parameter containing:
    tensor([[1.],
            [1.]], requires_grad=True)
    >>> nn.penalty(nn.Sequential(nn.regularize(layer, weight=nn.L1(0.5)))).item()
    1.0
    """
    total: Tensor | None = None
    for parameter, each in regularized(model):
        term = each(parameter)
        total = term if total is None else total + term
    return total
