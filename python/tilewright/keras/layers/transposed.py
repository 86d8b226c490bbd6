"""The transposed convolution: the gradient of a convolution as a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import kernels, nn
from tilewright.autograd import Tensor
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.keras.layers.convolution import _Convolution
from tilewright.keras.layers.core import fill, with_activation
from tilewright.keras.layers.layer import Shape

Array = NDArray[Any]


class _Transposed(Function):
    """Forward is a convolution's gradient of its input, and backward the convolution.

    x (N, P, Q, K) and weight (R, S, C, K) make (N, H, W, C).
    """

    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        weight: Array,
        *,
        shape: Shape,
        stride: tuple[int, int],
        padding: str,
    ) -> Array:
        ctx.save_for_backward(x, weight)
        ctx.options = {"stride": stride, "padding": padding}
        return kernels.conv2d_backward_input(
            x, weight, (len(x), *shape), stride=stride, padding=padding
        )

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        x, weight = ctx.saved
        needs_x, needs_weight = ctx.needs_input_grad
        dx = dweight = None
        if needs_x:
            dx = kernels.conv2d(dy, weight, **ctx.options)
        if needs_weight:
            dweight, _ = kernels.conv2d_backward_weight(
                dy, x, weight.shape[:2], **ctx.options
            )
        return dx, dweight


class _ConvTranspose2d(nn.Module):
    def __init__(
        self,
        shape: Shape,
        weight: Shape,
        stride: tuple[int, int],
        padding: str,
        bias: bool,
    ) -> None:
        self.shape = shape
        self.stride = stride
        self.padding = padding
        self.weight = nn.Parameter(np.zeros(weight, np.float32))
        self.bias = nn.Parameter(np.zeros(shape[-1], np.float32)) if bias else None

    def forward(self, x: Any) -> Tensor:
        """Compute."""
        y = _Transposed.apply(
            x,
            self.weight,
            shape=self.shape,
            stride=self.stride,
            padding=self.padding,
        )
        return y if self.bias is None else y + self.bias


class Conv2DTranspose(_Convolution):
    """A transposed convolution of images, and the activation after it.

    It takes each pixel times the kernel, and adds what overlaps: with strides the
    images become larger.

    Parameters
    ----------
    filters : int
    kernel_size : int or pair
    strides : int or pair, default 1
    padding : {"valid", "same"}, default "valid"
        "same" multiplies rows and columns by the strides; "valid" adds what the kernel
        is larger than they.
    activation : str or callable, optional
    use_bias : bool, default True
    kernel_initializer, bias_initializer : str or Initializer
        By default ``"glorot_uniform"`` and ``"zeros"``.
    kernel_regularizer, bias_regularizer : str or penalty, optional
    name, input_shape, trainable
        As in :class:`Layer`.

    Raises
    ------
    ValueError
        If an argument is out of range; `dilation_rate` must be 1.

    References
    ----------
    V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
    2016, https://arxiv.org/abs/1603.07285, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import layers
    >>> enlarge = layers.Conv2DTranspose(8, 3, strides=2, padding="same")
    >>> enlarge(np.zeros((1, 6, 6, 3))).shape
    (1, 12, 12, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            **options,
        )
        self.filters = filters
        if self.dilation_rate != (1, 1):
            raise ValueError(
                f"Conv2DTranspose: dilation_rate must be 1, got {dilation_rate!r}"
            )

    def make(self, shape: Shape) -> list[nn.Module]:
        """A module of its own and the activation."""
        *sides, channels = shape
        sizes = [
            side * stride + (self.padding == "valid") * max(taps - stride, 0)
            for side, stride, taps in zip(
                sides, self.strides, self.kernel_size, strict=True
            )
        ]
        module = _ConvTranspose2d(
            (*sizes, self.filters),
            (*self.kernel_size, self.filters, channels),
            self.strides,
            self.padding,
            self.use_bias,
        )
        taps = self.kernel_size[0] * self.kernel_size[1]
        fill(self, module, (taps * self.filters, taps * channels))
        return with_activation(module, self.activation)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make the same layer again."""
        return {**super().get_config(), "filters": self.filters}
