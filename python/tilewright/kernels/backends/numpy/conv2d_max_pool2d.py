"""Convolution and max pooling as one: here, one after the other."""

from __future__ import annotations

from tilewright.kernels.backends.numpy.conv2d import (
    conv2d,
    conv2d_backward_input,
    conv2d_backward_weight,
    extent,
)
from tilewright.kernels.backends.numpy.pool2d import max_pool2d, max_pool2d_backward
from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape
from tilewright.kernels.shapes import no_gradient

NO_PADDING: Padding = ((0, 0), (0, 0))


@quiet
def conv2d_max_pool2d(
    x: Array,
    weight: Array,
    window: Pair,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    activation: str,
    pool_stride: Pair,
) -> tuple[Array, Array]:
    """Return ``max_pool2d(conv2d(...))``, and the taps of its maxima.

    Where relu let nothing through, no tap has a gradient.
    """
    y = conv2d(x, weight, bias, stride, padding, dilation, groups, activation, None)
    pooled, indices = max_pool2d(y, window, pool_stride, NO_PADDING)
    if activation == "relu":
        indices[pooled <= 0] = no_gradient(window)
    return pooled, indices


def conv2d_max_pool2d_backward_input(
    dy: Array,
    indices: Array,
    weight: Array,
    input_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    pool_stride: Pair,
    out: Array | None,
) -> Array:
    """Return the gradient of the input."""
    N, H, W, _ = input_shape
    R, S, _, K = weight.shape
    P = extent(H, R, stride[0], padding[0], dilation[0])
    Q = extent(W, S, stride[1], padding[1], dilation[1])
    dconv = max_pool2d_backward(
        dy, indices, (N, P, Q, K), window, pool_stride, NO_PADDING
    )
    return conv2d_backward_input(
        dconv, weight, input_shape, stride, padding, dilation, groups, out
    )


def conv2d_max_pool2d_backward_weight(
    x: Array,
    dy: Array,
    indices: Array,
    kernel_size: Pair,
    window: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    pool_stride: Pair,
) -> tuple[Array, Array]:
    """Return the gradients of the weight and of the bias."""
    N, H, W, _ = x.shape
    P = extent(H, kernel_size[0], stride[0], padding[0], dilation[0])
    Q = extent(W, kernel_size[1], stride[1], padding[1], dilation[1])
    dconv = max_pool2d_backward(
        dy, indices, (N, P, Q, dy.shape[3]), window, pool_stride, NO_PADDING
    )
    return conv2d_backward_weight(
        x, dconv, kernel_size, stride, padding, dilation, groups
    )
