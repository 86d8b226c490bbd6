"""Pooling in C++: pairs laid out as single numbers, output extents worked out."""

from __future__ import annotations

from tilewright import _cpu
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape


def max_pool2d(
    x: Array, window: Pair, stride: Pair, padding: Padding
) -> tuple[Array, Array]:
    """Return the maxima and their taps."""
    result: tuple[Array, Array] = _cpu.max_pool2d(
        x, *_steps(window, stride, padding), *_extents(x, window, stride, padding)
    )
    return result


def max_pool2d_backward(
    dy: Array,
    indices: Array,
    input_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
) -> Array:
    """Return the gradient of the input."""
    _, H, W, _ = input_shape
    return _cpu.max_pool2d_backward(dy, indices, H, W, *_steps(window, stride, padding))


def avg_pool2d(
    x: Array, window: Pair, stride: Pair, padding: Padding, count_include_pad: bool
) -> Array:
    """Return the mean of each window."""
    return _cpu.avg_pool2d(
        x,
        *_steps(window, stride, padding),
        *_extents(x, window, stride, padding),
        count_include_pad,
    )


def avg_pool2d_backward(
    dy: Array,
    input_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
) -> Array:
    """Return the gradient of the input."""
    _, H, W, _ = input_shape
    return _cpu.avg_pool2d_backward(
        dy, H, W, *_steps(window, stride, padding), count_include_pad
    )


def _steps(
    window: Pair, stride: Pair, padding: Padding
) -> tuple[int, int, int, int, int, int]:
    """Return R, S, the strides, and the padding above and to the left."""
    return *window, *stride, padding[0][0], padding[1][0]


def _extents(x: Array, window: Pair, stride: Pair, padding: Padding) -> Pair:
    _, H, W, _ = x.shape
    (top, bottom), (left, right) = padding
    return (
        (H + top + bottom - window[0]) // stride[0] + 1,
        (W + left + right - window[1]) // stride[1] + 1,
    )
