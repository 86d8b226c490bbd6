"""Differentiable activations, softmax among them.

All take a Tensor or an ndarray of any shape, float32 or float64, and return a Tensor
of that shape; for other dtypes they raise TypeError. What stands with one of them
comes on top of this.
"""

from __future__ import annotations

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.nn.types import Array, TensorLike


class _Activation(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context, x: Array, *, kind: str, negative_slope: float = 0.01
    ) -> Array:
        y = kernels.activation(x, kind, negative_slope=negative_slope)
        ctx.kind = kind
        ctx.negative_slope = negative_slope
        ctx.save_for_backward(x if kind == "gelu" else y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        return kernels.activation_backward(
            dy,
            ctx.saved[0],
            ctx.kind,
            negative_slope=ctx.negative_slope,
            out=ctx.scratch(dy),
        )


class _Softmax(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, axis: int) -> Array:
        y = kernels.softmax(x, axis)
        ctx.axis = axis
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        return kernels.softmax_backward(dy, ctx.saved[0], ctx.axis)


class _LogSoftmax(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array, *, axis: int) -> Array:
        y = kernels.log_softmax(x, axis)
        ctx.axis = axis
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        return kernels.log_softmax_backward(dy, ctx.saved[0], ctx.axis)


def relu(x: TensorLike) -> Tensor:
    """``max(x, 0)``; the gradient at 0 is 0, and NaN stays NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.relu(np.array([-1, 2], np.float32))
    tensor([0., 2.])
    """
    return _Activation.apply(x, kind="relu")


def leaky_relu(x: TensorLike, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    x : Tensor or ndarray
    negative_slope : float, default 0.01
        At least 0.

    Raises
    ------
    ValueError
        If the slope is negative.

    References
    ----------
    A. Maas, A. Hannun and A. Ng, "Rectifier Nonlinearities Improve Neural Network
    Acoustic Models", ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.leaky_relu(np.array([-2, 2], np.float32), 0.5)
    tensor([-1.,  2.])
    """
    return _Activation.apply(x, kind="leaky_relu", negative_slope=negative_slope)


def gelu(x: TensorLike) -> Tensor:
    """``x`` times the normal distribution function of x, by the error function.

    References
    ----------
    D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016,
    https://arxiv.org/abs/1606.08415.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.gelu(np.zeros(2, np.float32))
    tensor([0., 0.])
    """
    return _Activation.apply(x, kind="gelu")


def sigmoid(x: TensorLike) -> Tensor:
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.sigmoid(np.zeros(1, np.float32))
    tensor([0.5000])
    """
    return _Activation.apply(x, kind="sigmoid")


def tanh(x: TensorLike) -> Tensor:
    """Hyperbolic tangent.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.tanh(np.zeros(1, np.float32))
    tensor([0.])
    """
    return _Activation.apply(x, kind="tanh")


def softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """``exp(x) / sum(exp(x))`` along an axis.

    Parameters
    ----------
    x : Tensor or ndarray
    axis : int, default -1
        Along which the results sum to 1; it must not be empty.

    Raises
    ------
    ValueError
        If x has no such axis, or it is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.softmax(np.zeros((2, 4), np.float32)).numpy()[0]
    array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """
    return _Softmax.apply(x, axis=axis)


def log_softmax(x: TensorLike, axis: int = -1) -> Tensor:
    """``x - log(sum(exp(x)))`` along an axis.

    Parameters
    ----------
    x : Tensor or ndarray
    axis : int, default -1
        Along which the results' exponentials sum to 1; it must not be empty.

    Raises
    ------
    ValueError
        If x has no such axis, or it is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.log_softmax(np.array([[0, 1e4]], np.float32)).numpy()
    array([[-10000.,      0.]], dtype=float32)
    """
    return _LogSoftmax.apply(x, axis=axis)
