"""Differentiable convolution, alone or with the pooling that follows it."""

from __future__ import annotations

from typing import Any

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.nn.types import Array, PaddingLike, PairLike, TensorLike


class _Conv2d(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        weight: Array,
        bias: Array | None,
        *,
        activation: str,
        **geometry: Any,
    ) -> Array:
        saved = None
        if activation == "gelu" and True in ctx.needs_input_grad:
            # Its gradient is a function of what goes in, not of what comes out.
            saved = kernels.conv2d(x, weight, bias=bias, **geometry)
            y = kernels.activation(saved, "gelu")
        else:
            y = kernels.conv2d(x, weight, bias=bias, activation=activation, **geometry)
            if activation != "none":
                saved = y
        needs_x, needs_weight, _ = ctx.needs_input_grad
        ctx.activation = activation
        ctx.input_shape = x.shape
        ctx.kernel_size = weight.shape[:2]
        ctx.geometry = geometry
        ctx.save_for_backward(
            x if needs_weight else None, weight if needs_x else None, saved
        )
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        x, weight, saved = ctx.saved
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        if saved is not None:
            dy = kernels.activation_backward(
                dy, saved, ctx.activation, out=ctx.scratch(dy)
            )
        dx = dweight = dbias = None
        if needs_weight:
            dweight, dbias = kernels.conv2d_backward_weight(
                x, dy, ctx.kernel_size, **ctx.geometry
            )
        elif needs_bias:
            dbias = kernels.bias_gradient(dy)
        if needs_x:
            dx = kernels.conv2d_backward_input(
                dy, weight, ctx.input_shape, **ctx.geometry
            )
        return dx, dweight, dbias


class _Conv2dMaxPool2d(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        weight: Array,
        bias: Array | None,
        *,
        window: PairLike,
        pool_stride: PairLike | None,
        activation: str,
        **geometry: Any,
    ) -> Array:
        y, indices = kernels.conv2d_max_pool2d(
            x,
            weight,
            window,
            bias=bias,
            activation=activation,
            pool_stride=pool_stride,
            **geometry,
        )
        geometry["pool_stride"] = pool_stride
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        ctx.window = window
        ctx.input_shape = x.shape
        ctx.kernel_size = weight.shape[:2]
        ctx.geometry = geometry
        ctx.save_for_backward(
            x if needs_weight or needs_bias else None,
            weight if needs_x else None,
            indices,
        )
        return y

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        # The indices also say where relu let nothing through. Only where a maximum
        # stood is there a gradient: the kernels visit no other position.
        x, weight, indices = ctx.saved
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        dx = dweight = dbias = None
        if needs_weight or needs_bias:
            dweight, dbias = kernels.conv2d_max_pool2d_backward_weight(
                x, dy, indices, ctx.kernel_size, ctx.window, **ctx.geometry
            )
        if needs_x:
            dx = kernels.conv2d_max_pool2d_backward_input(
                dy, indices, weight, ctx.input_shape, ctx.window, **ctx.geometry
            )
        return dx, dweight, dbias


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    activation: str = "none",
) -> Tensor:
    """Two-dimensional convolution, with an activation in the same pass.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, H, W, C)
    weight : Tensor or ndarray, shape (R, S, C / groups, K)
    bias : Tensor or ndarray, shape (K,), optional
    stride, dilation : int or pair, default 1
    padding : int, pair, "valid" or "same", default 0
        ``"same"`` gives ``ceil(H / stride)`` rows; an odd row goes to the bottom.
    groups : int, default 1
        Divides C and K.
    activation : str, default "none"
        Or ``"relu"``, ``"sigmoid"``, ``"tanh"``, ``"gelu"``: applied to the result
        before it goes to memory.

    Returns
    -------
    Tensor, shape (N, P, Q, K)

    Raises
    ------
    ValueError
        If shapes do not agree or the output would be empty.
    TypeError
        If an array is of another dtype than float32 or float64.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
    2016, https://arxiv.org/abs/1603.07285.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.ones((1, 5, 5, 2), np.float32)
    >>> weight = np.ones((3, 3, 2, 4), np.float32)
    >>> functional.conv2d(x, weight, stride=2, activation="relu").shape
    (1, 2, 2, 4)
    """
    return _Conv2d.apply(
        x,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
    )


def conv2d_max_pool2d(
    x: TensorLike,
    weight: TensorLike,
    window: PairLike,
    bias: TensorLike | None = None,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    activation: str = "none",
    pool_stride: PairLike | None = None,
) -> Tensor:
    """``max_pool2d(conv2d(x, ...), window)`` in one pass, forward and backward.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, H, W, C)
    weight : Tensor or ndarray, shape (R, S, C / groups, K)
    window : int or pair
        Of the pooling, which has no padding.
    bias : Tensor or ndarray, shape (K,), optional
    stride, padding, dilation, groups
        Of the convolution, as in :func:`conv2d`.
    activation : str, default "none"
        Or ``"relu"``, between the two.
    pool_stride : int or pair, optional
        By default the window.

    Returns
    -------
    Tensor, shape (N, P', Q', K)

    Raises
    ------
    ValueError
        If shapes do not agree or the output would be empty.
    TypeError
        If an array is of another dtype than float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x = np.ones((1, 6, 6, 1), np.float32)
    >>> weight = np.ones((3, 3, 1, 8), np.float32)
    >>> functional.conv2d_max_pool2d(x, weight, 2, activation="relu").shape
    (1, 2, 2, 8)
    """
    return _Conv2dMaxPool2d.apply(
        x,
        weight,
        bias,
        window=window,
        pool_stride=pool_stride,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        activation=activation,
    )
