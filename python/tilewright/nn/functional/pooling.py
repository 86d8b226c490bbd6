"""Differentiable pooling over windows of pixels, and over all of them."""

from __future__ import annotations

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.nn.types import Array, PairLike, TensorLike


class _MaxPool2d(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        *,
        window: PairLike,
        stride: PairLike | None,
        padding: PairLike,
    ) -> Array:
        y, indices = kernels.max_pool2d(x, window, stride=stride, padding=padding)
        ctx.input_shape = x.shape
        ctx.window = window
        ctx.stride = stride
        ctx.padding = padding
        ctx.save_for_backward(indices)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        return kernels.max_pool2d_backward(
            dy,
            ctx.saved[0],
            ctx.input_shape,
            ctx.window,
            stride=ctx.stride,
            padding=ctx.padding,
        )


class _AvgPool2d(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        *,
        window: PairLike,
        stride: PairLike | None,
        padding: PairLike,
        count_include_pad: bool,
    ) -> Array:
        ctx.window = window
        ctx.options = {
            "stride": stride,
            "padding": padding,
            "count_include_pad": count_include_pad,
        }
        y = kernels.avg_pool2d(x, window, **ctx.options)
        ctx.input_shape = x.shape
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        return kernels.avg_pool2d_backward(
            dy, ctx.input_shape, ctx.window, **ctx.options
        )


class _GlobalMaxPool2d(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        y, indices = kernels.global_max_pool2d(x)
        ctx.input_shape = x.shape
        ctx.save_for_backward(indices)
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        return kernels.global_max_pool2d_backward(dy, ctx.saved[0], ctx.input_shape)


class _GlobalAvgPool2d(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(ctx: Context, x: Array) -> Array:
        y = kernels.global_avg_pool2d(x)
        ctx.input_shape = x.shape
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        return kernels.global_avg_pool2d_backward(dy, ctx.input_shape)


def max_pool2d(
    x: TensorLike,
    kernel_size: PairLike,
    stride: PairLike | None = None,
    padding: PairLike = 0,
) -> Tensor:
    """Maximum of each window.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, H, W, C)
    kernel_size : int or pair
        Rows and columns of the window.
    stride : int or pair, optional
        By default the window.
    padding : int or pair, default 0
        On each side, at most half of the window; padding never wins.

    Returns
    -------
    Tensor, shape (N, P, Q, C)
        The gradient goes to the first maximum of each window.

    Raises
    ------
    ValueError
        If the window does not fit.
    TypeError
        If x is of another dtype than float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    >>> functional.max_pool2d(x, 2)
    tensor([[[[3.]]]])
    """
    return _MaxPool2d.apply(x, window=kernel_size, stride=stride, padding=padding)


def avg_pool2d(
    x: TensorLike,
    kernel_size: PairLike,
    stride: PairLike | None = None,
    padding: PairLike = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """Mean of each window.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, H, W, C)
    kernel_size : int or pair
        Rows and columns of the window.
    stride : int or pair, optional
        By default the window.
    padding : int or pair, default 0
        On each side, at most half of the window.
    count_include_pad : bool, default True
        Divide by the window's size, not by its pixels that are no padding.

    Returns
    -------
    Tensor, shape (N, P, Q, C)

    Raises
    ------
    ValueError
        If the window does not fit.
    TypeError
        If x is of another dtype than float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    >>> functional.avg_pool2d(x, 2)
    tensor([[[[1.5000]]]])
    """
    return _AvgPool2d.apply(
        x,
        window=kernel_size,
        stride=stride,
        padding=padding,
        count_include_pad=count_include_pad,
    )


def global_max_pool2d(x: TensorLike) -> Tensor:
    """Maximum of each channel over all pixels.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, H, W, C)

    Returns
    -------
    Tensor, shape (N, C)

    Raises
    ------
    ValueError
        If x has no pixels or no channels.
    TypeError
        If x is of another dtype than float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.global_max_pool2d(np.ones((2, 7, 7, 3), np.float32)).shape
    (2, 3)
    """
    return _GlobalMaxPool2d.apply(x)


def global_avg_pool2d(x: TensorLike) -> Tensor:
    """Mean of each channel over all pixels.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, H, W, C)

    Returns
    -------
    Tensor, shape (N, C)

    Raises
    ------
    ValueError
        If x has no pixels or no channels.
    TypeError
        If x is of another dtype than float32 or float64.

    References
    ----------
    M. Lin, Q. Chen and S. Yan, "Network In Network", 2014,
    https://arxiv.org/abs/1312.4400, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> functional.global_avg_pool2d(np.ones((2, 7, 7, 3), np.float32)).shape
    (2, 3)
    """
    return _GlobalAvgPool2d.apply(x)
