"""Pooling in CUDA."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape
from tilewright.kernels.shapes import index_dtype


class Pool2d(Adapter):
    """The family's functions."""

    def max_pool2d(
        self, x: Array, window: Pair, stride: Pair, padding: Padding
    ) -> tuple[Array, Array]:
        """Return the maxima and their taps."""
        return self._max_pool2d(x, window, stride, padding, relu=False)

    def _max_pool2d(
        self, x: Array, window: Pair, stride: Pair, padding: Padding, *, relu: bool
    ) -> tuple[Array, Array]:
        """Return the maxima and taps; with relu, none where the maximum is no gain."""
        (top, bottom), (left, right) = padding
        N, H, W, C = x.shape
        P = (H + top + bottom - window[0]) // stride[0] + 1
        Q = (W + left + right - window[1]) // stride[1] + 1
        y = self._empty((N, P, Q, C))
        indices = self._arrays.empty(y.shape, index_dtype(window))
        self._extension.max_pool2d(
            _sizes(x.shape, y.shape, window, stride, padding), self._memory(x), relu,
            self._memory(y), self._memory(indices), self._arrays.stream(),
        )  # fmt: skip
        return y, indices

    def max_pool2d_backward(
        self,
        dy: Array,
        indices: Array,
        input_shape: Shape,
        window: Pair,
        stride: Pair,
        padding: Padding,
    ) -> Array:
        """Return the gradient of the input."""
        dx = self._empty(input_shape)
        self._extension.max_pool2d_backward(
            _sizes(input_shape, dy.shape, window, stride, padding), self._memory(dy),
            self._memory(indices), self._memory(dx), self._arrays.stream(),
        )  # fmt: skip
        return dx

    def avg_pool2d(
        self,
        x: Array,
        window: Pair,
        stride: Pair,
        padding: Padding,
        count_include_pad: bool,
    ) -> Array:
        """Return the mean of each window."""
        (top, bottom), (left, right) = padding
        N, H, W, C = x.shape
        P = (H + top + bottom - window[0]) // stride[0] + 1
        Q = (W + left + right - window[1]) // stride[1] + 1
        y = self._empty((N, P, Q, C))
        self._extension.avg_pool2d(
            _sizes(x.shape, y.shape, window, stride, padding), self._memory(x),
            count_include_pad, self._memory(y), self._arrays.stream(),
        )  # fmt: skip
        return y

    def avg_pool2d_backward(
        self,
        dy: Array,
        input_shape: Shape,
        window: Pair,
        stride: Pair,
        padding: Padding,
        count_include_pad: bool,
    ) -> Array:
        """Return the gradient of the input."""
        dx = self._empty(input_shape)
        self._extension.avg_pool2d_backward(
            _sizes(input_shape, dy.shape, window, stride, padding), self._memory(dy),
            count_include_pad, self._memory(dx), self._arrays.stream(),
        )  # fmt: skip
        return dx


def _sizes(
    input_shape: Shape,
    output_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
) -> list[int]:
    """Return a pooling's sizes in the order of the extension."""
    _, P, Q, _ = output_shape
    return [*input_shape, P, Q, *window, *stride, padding[0][0], padding[1][0]]
