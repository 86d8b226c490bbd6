"""Max and average pooling, a tap of the window at a time over all pixels."""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.numpy import taps
from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape
from tilewright.kernels.shapes import code_error, index_dtype


@quiet
def max_pool2d(
    x: Array, window: Pair, stride: Pair, padding: Padding
) -> tuple[Array, Array]:
    """Return the maxima and their taps: the first maximum wins, and the first NaN."""
    shape = _output_shape(x.shape, window, stride, padding)
    y = np.full(shape, -np.inf, x.dtype)
    indices = np.full(shape, -1, np.int32)
    for tap in taps.joined(x.shape, shape, window, stride, padding):
        value, best, index = x[tap.inputs], y[tap.outputs], indices[tap.outputs]
        # Not "at most the best" is greater, or NaN on either side; a best that is
        # NaN stays. The first tap of a window is taken whatever it is.
        wins = (~(value <= best) & ~np.isnan(best)) | (index < 0)
        np.copyto(best, value, where=wins)
        np.copyto(index, tap.r * window[1] + tap.s, where=wins)
    return y, indices.astype(index_dtype(window), copy=False)


@quiet
def max_pool2d_backward(
    dy: Array,
    indices: Array,
    input_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
) -> Array:
    """Return the gradient of the input: each output's goes to the tap it came from."""
    error = code_error("max_pool2d_backward", indices, window)
    if error is not None:
        raise error
    dx = np.zeros(input_shape, dy.dtype)
    for tap in taps.joined(input_shape, dy.shape, window, stride, padding):
        mine = indices[tap.outputs] == tap.r * window[1] + tap.s
        dx[tap.inputs] += np.where(mine, dy[tap.outputs], 0)
    return dx


@quiet
def avg_pool2d(
    x: Array, window: Pair, stride: Pair, padding: Padding, count_include_pad: bool
) -> Array:
    """Return the mean of each window, summed in float64."""
    shape = _output_shape(x.shape, window, stride, padding)
    total = np.zeros(shape, np.float64)
    for tap in taps.joined(x.shape, shape, window, stride, padding):
        total[tap.outputs] += x[tap.inputs]
    total /= _counts(x.shape, shape, window, stride, padding, count_include_pad)
    return total.astype(x.dtype, copy=False)


@quiet
def avg_pool2d_backward(
    dy: Array,
    input_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
) -> Array:
    """Return the gradient of the input: each output's is shared by its window."""
    counts = _counts(input_shape, dy.shape, window, stride, padding, count_include_pad)
    share = dy / counts
    dx = np.zeros(input_shape, np.float64)
    for tap in taps.joined(input_shape, dy.shape, window, stride, padding):
        dx[tap.inputs] += share[tap.outputs]
    return dx.astype(dy.dtype, copy=False)


def _output_shape(
    input_shape: Shape, window: Pair, stride: Pair, padding: Padding
) -> Shape:
    N, H, W, C = input_shape
    P = (H + sum(padding[0]) - window[0]) // stride[0] + 1
    Q = (W + sum(padding[1]) - window[1]) // stride[1] + 1
    return N, P, Q, C


def _counts(
    input_shape: Shape,
    output_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
) -> Array:
    """Return what each output pixel's sum is divided by, ``(1, P, Q, 1)``."""
    _, P, Q, _ = output_shape
    if count_include_pad:
        return np.full((1, P, Q, 1), window[0] * window[1], np.float64)
    counts = np.zeros((1, P, Q, 1))
    for tap in taps.joined(input_shape, output_shape, window, stride, padding):
        counts[tap.outputs] += 1
    return counts
