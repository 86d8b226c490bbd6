"""All functions of a backend over CUDA kernels."""

from __future__ import annotations

from tilewright.kernels.backends.device.adam import Adam
from tilewright.kernels.backends.device.batch_norm import BatchNorm
from tilewright.kernels.backends.device.conv2d_max_pool2d import Conv2dMaxPool2d
from tilewright.kernels.backends.device.elementwise_loss import ElementwiseLoss
from tilewright.kernels.backends.device.gemm import Gemm
from tilewright.kernels.backends.device.gradient_clipping import GradientClipping
from tilewright.kernels.backends.device.linear_softmax_cross_entropy import (
    LinearSoftmaxCrossEntropy,
)
from tilewright.kernels.backends.device.rmsprop import Rmsprop
from tilewright.kernels.backends.device.roofline import Roofline
from tilewright.kernels.backends.device.sgd import Sgd
from tilewright.kernels.backends.device.softmax_cross_entropy import (
    SoftmaxCrossEntropy,
)


class DeviceFunctions(
    Gemm,
    Conv2dMaxPool2d,
    BatchNorm,
    SoftmaxCrossEntropy,
    LinearSoftmaxCrossEntropy,
    ElementwiseLoss,
    GradientClipping,
    Adam,
    Sgd,
    Rmsprop,
    Roofline,
):
    """The functions of :class:`tilewright.kernels.backends.protocol.Backend`.

    And the probe that benchmarks hold them against.
    """
