"""Convolution as a sum of matrix products, one per tap of the kernel.

With x[tap] the pixels that a tap meets, as a matrix (pixels, C), and y[tap] the
output pixels that it adds to, the three directions are

    y[tap] += x[tap] @ weight[tap]
    dx[tap] += dy[tap] @ weight[tap].T
    dweight[tap] = x[tap].T @ dy[tap]

and with groups each product is one per group.
"""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.numpy import taps
from tilewright.kernels.backends.numpy.elementwise import activate, bias_gradient
from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape


@quiet
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    activation: str,
    out: Array | None,
) -> Array:
    """Return ``activation(x * weight + bias)``."""
    N, H, W, _ = x.shape
    R, S, _, K = weight.shape
    P = extent(H, R, stride[0], padding[0], dilation[0])
    Q = extent(W, S, stride[1], padding[1], dilation[1])
    y = np.empty((N, P, Q, K), x.dtype) if out is None else out
    y[...] = 0 if bias is None else bias
    for tap in taps.joined(x.shape, y.shape, (R, S), stride, padding, dilation):
        pixels = x[tap.inputs]
        product = _groups(pixels, groups) @ _groups(weight[tap.r, tap.s], groups)
        y[tap.outputs] += _joined(product).reshape(*pixels.shape[:3], K)
    return activate(y, activation, out=y)


@quiet
def conv2d_backward_input(
    dy: Array,
    weight: Array,
    input_shape: Shape,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    out: Array | None,
) -> Array:
    """Return the gradient of the input."""
    R, S = weight.shape[:2]
    dx = np.empty(input_shape, dy.dtype) if out is None else out
    dx[...] = 0
    for tap in taps.joined(input_shape, dy.shape, (R, S), stride, padding, dilation):
        pixels = dy[tap.outputs]
        transposed = _groups(weight[tap.r, tap.s], groups).swapaxes(1, 2)
        product = _groups(pixels, groups) @ transposed
        dx[tap.inputs] += _joined(product).reshape(*pixels.shape[:3], dx.shape[3])
    return dx


@quiet
def conv2d_backward_weight(
    x: Array,
    dy: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> tuple[Array, Array]:
    """Return the gradients of the weight and of the bias."""
    C, K = x.shape[3], dy.shape[3]
    dweight = np.zeros((*kernel_size, C // groups, K), dy.dtype)
    for tap in taps.joined(x.shape, dy.shape, kernel_size, stride, padding, dilation):
        inputs = _groups(x[tap.inputs], groups).swapaxes(1, 2)
        product = inputs @ _groups(dy[tap.outputs], groups)
        dweight[tap.r, tap.s] = _joined(product)
    return dweight, bias_gradient(dy.reshape(-1, K))


def extent(size: int, taps: int, stride: int, padding: Pair, dilation: int) -> int:
    """Return the output rows (or columns) of a convolution."""
    return (size + sum(padding) - (taps - 1) * dilation - 1) // stride + 1


def _groups(channels: Array, groups: int) -> Array:
    """Return ``(..., C)`` as matrices ``(groups, rows, C / groups)``."""
    C = channels.shape[-1]
    # A reshape cannot work out the rows of an empty array.
    rows = channels.size // C
    matrices = channels.reshape(rows, groups, C // groups).swapaxes(0, 1)
    # BLAS takes whole matrices alone; with one group nothing is copied.
    return np.ascontiguousarray(matrices)


def _joined(matrices: Array) -> Array:
    """Return matrices ``(groups, rows, C / groups)`` as one, ``(rows, C)``."""
    groups, rows, columns = matrices.shape
    return matrices.swapaxes(0, 1).reshape(rows, groups * columns)
