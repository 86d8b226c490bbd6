"""Convolution in CUDA."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.device.elementwise import Elementwise
from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape
from tilewright.kernels.matmul_precision import matmul_precision


def extents(
    input_shape: Shape, kernel: Shape, stride: Pair, padding: Padding, dilation: Pair
) -> Pair:
    """Return the output's rows and columns; of the kernel its first two sizes count."""
    (top, bottom), (left, right) = padding
    P = (input_shape[1] + top + bottom - (kernel[0] - 1) * dilation[0] - 1) // stride[0]
    Q = (input_shape[2] + left + right - (kernel[1] - 1) * dilation[1] - 1) // stride[1]
    return P + 1, Q + 1


def sizes(
    input_shape: Shape,
    kernel: Pair,
    K: int,
    output: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
) -> list[int]:
    """Return a convolution's sizes in the order of the extension."""
    steps = *stride, padding[0][0], padding[1][0], *dilation
    return [*input_shape, *kernel, K, *output, *steps, groups]


class Conv2d(Elementwise, Adapter):
    """The family's functions."""

    def conv2d(
        self,
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
        R, S, _, K = weight.shape
        output = extents(x.shape, (R, S), stride, padding, dilation)
        y = self._empty((x.shape[0], *output, K)) if out is None else out
        self._extension.conv2d(
            sizes(x.shape, (R, S), K, output, stride, padding, dilation, groups),
            self._memory(x), self._memory(weight), self._optional(bias), activation,
            matmul_precision(), self._memory(y), self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return y

    def conv2d_backward_input(
        self,
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
        R, S, _, K = weight.shape
        _, P, Q, _ = dy.shape
        dx = self._empty(input_shape) if out is None else out
        self._extension.conv2d_backward_input(
            sizes(input_shape, (R, S), K, (P, Q), stride, padding, dilation, groups),
            self._memory(dy), self._memory(weight), matmul_precision(),
            self._memory(dx), self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return dx

    def conv2d_backward_weight(
        self,
        x: Array,
        dy: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
    ) -> tuple[Array, Array]:
        """Return the gradients of the weight and of the bias."""
        _, P, Q, K = dy.shape
        dweight = self._empty((*kernel_size, x.shape[3] // groups, K))
        self._extension.conv2d_backward_weight(
            sizes(x.shape, kernel_size, K, (P, Q), stride, padding, dilation, groups),
            self._memory(x), self._memory(dy), matmul_precision(),
            self._memory(dweight), self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return dweight, self.bias_gradient(dy.reshape(dy.size // K, K))
