"""Convolution in C++: pairs laid out as single numbers, output extents worked out."""

from __future__ import annotations

from tilewright import _cpu
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape


def extents(
    input_shape: Shape, kernel: Shape, stride: Pair, padding: Padding, dilation: Pair
) -> Pair:
    """Return the output's rows and columns; of the kernel its first two sizes count."""
    (top, bottom), (left, right) = padding
    P = (input_shape[1] + top + bottom - (kernel[0] - 1) * dilation[0] - 1) // stride[0]
    Q = (input_shape[2] + left + right - (kernel[1] - 1) * dilation[1] - 1) // stride[1]
    return P + 1, Q + 1


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
    P, Q = extents(x.shape, weight.shape, stride, padding, dilation)
    return _cpu.conv2d(
        x, weight, bias, *stride, padding[0][0], padding[1][0], *dilation, groups,
        P, Q, activation, out,
    )  # fmt: skip


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
    _, H, W, C = input_shape
    return _cpu.conv2d_backward_input(
        dy, weight, H, W, C, *stride, padding[0][0], padding[1][0], *dilation, groups,
        out,
    )  # fmt: skip


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
    gradients: tuple[Array, Array] = _cpu.conv2d_backward_weight(
        x, dy, *kernel_size, *stride, padding[0][0], padding[1][0], *dilation, groups
    )
    return gradients
