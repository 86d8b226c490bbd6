"""The linear layer."""

from __future__ import annotations

import math

import numpy as np

from tilewright.autograd import Tensor
from tilewright.nn import functional, init, sizes
from tilewright.nn.module import Module
from tilewright.nn.parameter import Parameter
from tilewright.nn.types import TensorLike


class Linear(Module):
    """``x @ weight + bias`` over the last axis.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool, default True

    Attributes
    ----------
    weight : Parameter, shape (in, out)
    bias : Parameter, shape (out,), or None
        Both are drawn from U(-b, b) with ``b = 1 / sqrt(in)``, as in PyTorch.

    Raises
    ------
    ValueError
        If a size is below 1.
    TypeError
        If a size is no int.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Linear(8, 3)(np.zeros((5, 8), np.float32)).shape
    (5, 3)
    """

    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = sizes.positive("Linear", "in_features", in_features)
        self.out_features = sizes.positive("Linear", "out_features", out_features)
        self.weight = Parameter(np.empty((in_features, out_features), np.float32))
        self.bias = Parameter(np.empty(out_features, np.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x: TensorLike) -> Tensor:
        """Multiply.

        Parameters
        ----------
        x : Tensor or ndarray, shape (..., in)

        Returns
        -------
        Tensor, shape (..., out)
        """
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes, and whether there is a bias."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
