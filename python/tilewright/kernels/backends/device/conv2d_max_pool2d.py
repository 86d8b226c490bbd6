"""Convolution and max pooling in CUDA: one kernel where it takes them, else two."""

from __future__ import annotations

from tilewright.kernels.backends.device.conv2d import Conv2d, extents, sizes
from tilewright.kernels.backends.device.pool2d import Pool2d
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape
from tilewright.kernels.matmul_precision import matmul_precision
from tilewright.kernels.shapes import BYTE, index_dtype

NO_PADDING: Padding = ((0, 0), (0, 0))


class Conv2dMaxPool2d(Conv2d, Pool2d):
    """The joined functions."""

    def conv2d_max_pool2d(
        self,
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
        (R, S), K = weight.shape[:2], weight.shape[3]
        output = extents(x.shape, (R, S), stride, padding, dilation)
        pooled = tuple(
            (size - taps) // step + 1
            for size, taps, step in zip(output, window, pool_stride, strict=True)
        )
        if index_dtype(window) is BYTE:
            maxima = self._empty((x.shape[0], *pooled, K))
            indices = self._arrays.empty(maxima.shape, BYTE)
            if self._extension.conv2d_max_pool2d(
                sizes(x.shape, (R, S), K, output, stride, padding, dilation, groups),
                [*window, *pool_stride, *pooled], self._memory(x),
                self._memory(weight), self._optional(bias), activation,
                matmul_precision(), self._memory(maxima), self._memory(indices),
                self._arrays.stream(),
            ):  # fmt: skip
                return maxima, indices
        y = self.conv2d(
            x, weight, bias, stride, padding, dilation, groups, activation, None
        )
        return self._max_pool2d(
            y, window, pool_stride, NO_PADDING, relu=activation == "relu"
        )

    def conv2d_max_pool2d_backward_input(
        self,
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
        P, Q = extents(input_shape, weight.shape, stride, padding, dilation)
        shape = (input_shape[0], P, Q, dy.shape[3])
        dconv = self.max_pool2d_backward(
            dy, indices, shape, window, pool_stride, NO_PADDING
        )
        return self.conv2d_backward_input(
            dconv, weight, input_shape, stride, padding, dilation, groups, out
        )

    def conv2d_max_pool2d_backward_weight(
        self,
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
        K = dy.shape[3]
        if indices.dtype == BYTE:
            dweight = self._empty((*kernel_size, x.shape[3] // groups, K))
            dbias = self._empty((K,))
            steps = stride, padding, dilation, groups
            if self._extension.conv2d_max_pool2d_backward_weight(
                sizes(x.shape, kernel_size, K, (P, Q), *steps),
                [*window, *pool_stride, *dy.shape[1:3]], self._memory(x),
                self._memory(dy), self._memory(indices), matmul_precision(),
                self._memory(dweight), self._memory(dbias), self._allocate,
                self._arrays.stream(),
            ):  # fmt: skip
                return dweight, dbias
        shape = (x.shape[0], P, Q, K)
        dconv = self.max_pool2d_backward(
            dy, indices, shape, window, pool_stride, NO_PADDING
        )
        return self.conv2d_backward_weight(
            x, dconv, kernel_size, stride, padding, dilation, groups
        )
