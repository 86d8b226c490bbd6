"""Convolution and max pooling in CUDA, one kernel after the other."""

from __future__ import annotations

from tilewright.kernels.backends.device.conv2d import Conv2d, extents
from tilewright.kernels.backends.device.pool2d import Pool2d
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape

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
        shape = (x.shape[0], P, Q, dy.shape[3])
        dconv = self.max_pool2d_backward(
            dy, indices, shape, window, pool_stride, NO_PADDING
        )
        return self.conv2d_backward_weight(
            x, dconv, kernel_size, stride, padding, dilation, groups
        )
