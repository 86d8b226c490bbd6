"""Convolution and max pooling as one kernel in C++, for windows of up to 254 taps.

Larger ones, whose indices are not bytes, take the two kernels one after the other.
"""

from __future__ import annotations

from tilewright import _cpu
from tilewright.kernels.backends.cpu.conv2d import (
    conv2d,
    conv2d_backward_input,
    conv2d_backward_weight,
    extents,
)
from tilewright.kernels.backends.cpu.pool2d import max_pool2d, max_pool2d_backward
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape
from tilewright.kernels.shapes import BYTE, index_dtype, no_gradient

NO_PADDING: Padding = ((0, 0), (0, 0))


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
    """Return ``max_pool2d(conv2d(...))``, and the taps of its maxima."""
    if index_dtype(window) is not BYTE:
        # The fused kernel keeps one byte a tap; such windows are rare.
        y = conv2d(x, weight, bias, stride, padding, dilation, groups, activation, None)
        pooled, indices = max_pool2d(y, window, pool_stride, NO_PADDING)
        if activation == "relu":
            indices[pooled <= 0] = no_gradient(window)
        return pooled, indices
    P, Q = extents(x.shape, weight.shape, stride, padding, dilation)
    result: tuple[Array, Array] = _cpu.conv2d_max_pool2d(
        x, weight, bias, *stride, padding[0][0], padding[1][0], *dilation, groups,
        P, Q, activation, *window, *pool_stride,
    )  # fmt: skip
    return result


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
    N, H, W, C = input_shape
    P, Q = extents(input_shape, weight.shape, stride, padding, dilation)
    if index_dtype(window) is not BYTE:
        shape = (N, P, Q, dy.shape[3])
        dconv = max_pool2d_backward(dy, indices, shape, window, pool_stride, NO_PADDING)
        return conv2d_backward_input(
            dconv, weight, input_shape, stride, padding, dilation, groups, out
        )
    return _cpu.conv2d_max_pool2d_backward_input(
        dy, indices, weight, H, W, C, *stride, padding[0][0], padding[1][0],
        *dilation, groups, P, Q, *window, *pool_stride, out,
    )  # fmt: skip


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
    P, Q = extents(x.shape, kernel_size, stride, padding, dilation)
    if index_dtype(window) is not BYTE:
        shape = (x.shape[0], P, Q, dy.shape[3])
        dconv = max_pool2d_backward(dy, indices, shape, window, pool_stride, NO_PADDING)
        return conv2d_backward_weight(
            x, dconv, kernel_size, stride, padding, dilation, groups
        )
    gradients: tuple[Array, Array] = _cpu.conv2d_max_pool2d_backward_weight(
        x, dy, indices, *kernel_size, *stride, padding[0][0], padding[1][0],
        *dilation, groups, P, Q, *window, *pool_stride,
    )  # fmt: skip
    return gradients
