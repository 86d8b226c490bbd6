"""Differentiable dropout."""

from __future__ import annotations

from tilewright import kernels, random
from tilewright.autograd import Tensor
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.kernels import checks
from tilewright.nn.functional.inputs import as_tensor
from tilewright.nn.types import Array, TensorLike


class _Dropout(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, p: float, seed: int, offset: int) -> Array:
        ctx.p = p
        ctx.seed = seed
        ctx.offset = offset
        return kernels.dropout(x, p, seed=seed, offset=offset)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        # The same two numbers draw the same mask: nothing had to be kept.
        return kernels.dropout(dy, ctx.p, seed=ctx.seed, offset=ctx.offset)


def dropout(x: TensorLike, p: float = 0.5, training: bool = True) -> Tensor:
    """A share p of the elements set to 0 at random, the others over ``1 - p``.

    Parameters
    ----------
    x : Tensor or ndarray
    p : float, default 0.5
        In ``[0, 1]``.
    training : bool, default True
        If False, x comes back as it is.

    Returns
    -------
    Tensor, of x's shape
        Which elements are kept follows from :func:`tilewright.manual_seed` and the
        number of elements dropped out of since, on every backend alike.

    Raises
    ------
    ValueError
        If p is out of range.
    TypeError
        If x is of another dtype than float32 or float64.

    References
    ----------
    N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
    Overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> from tilewright.nn import functional
    >>> tw.manual_seed(0)
    >>> functional.dropout(np.ones(6, np.float32))
    tensor([0., 2., 2., 2., 2., 0.])
    """
    x = as_tensor("dropout", x)
    if not (training and p):
        checks.number("dropout", "p", p, 0.0, 1.0)
        return x
    seed, offset = random.dropout_key(x.size)
    return _Dropout.apply(x, p=p, seed=seed, offset=offset)
