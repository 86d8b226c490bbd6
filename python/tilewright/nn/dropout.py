"""The dropout layer."""

from __future__ import annotations

from tilewright.autograd import Tensor
from tilewright.kernels import checks
from tilewright.nn import functional
from tilewright.nn.module import Module
from tilewright.nn.types import TensorLike


class Dropout(Module):
    """In training a share p of the elements set to 0; in evaluation nothing.

    Parameters
    ----------
    p : float, default 0.5
        In ``[0, 1]``.

    Raises
    ------
    ValueError
        If p is out of range.

    References
    ----------
    N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> nn.Dropout(0.5).eval()(np.ones(3, np.float32))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = checks.number("Dropout", "p", p, 0.0, 1.0)

    def forward(self, x: TensorLike) -> Tensor:
        """Drop in training, pass in evaluation."""
        return functional.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The share."""
        return f"p={self.p}"
