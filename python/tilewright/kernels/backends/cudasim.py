"""The CUDA kernels on the CPU, over NumPy arrays: slow, and for tests alone.

The extension ``tilewright._cudasim`` is never part of a wheel: ``tools/build_cudasim``
puts it beside the package. The kernels are the sources that nvcc compiles for GPUs;
csrc/cudasim stands in for the GPU.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np

from tilewright.kernels.backends.device import DeviceFunctions
from tilewright.kernels.backends.device.arrays import Memory
from tilewright.kernels.backends.protocol import Array, Shape
from tilewright.kernels.cuda_extension import ABI

try:
    _cudasim = importlib.import_module("tilewright._cudasim")
except ImportError as error:
    raise ImportError(
        f"the simulator of CUDA kernels, tilewright._cudasim, does not load ({error}); "
        "build it with tools/build_cudasim"
    ) from error

if _cudasim.abi != ABI:
    raise ImportError(
        f"tilewright._cudasim has the interface {_cudasim.abi}, and tilewright calls "
        f"the interface {ABI}: build it again with tools/build_cudasim"
    )


class HostArrays:
    """NumPy's arrays in the part of a device's."""

    def empty(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return an array of NaN, or of a code that no window has."""
        made = np.empty(shape, dtype)
        made.fill(np.nan if dtype.kind == "f" else 171)
        return made

    def memory(self, array: Array) -> Memory:
        """Return where an array's elements lie."""
        return array.__array_interface__["data"][0], array.nbytes

    def stream(self) -> int:
        """Return the only stream there is."""
        return 0


def over(extension: ModuleType) -> DeviceFunctions:
    """Return the functions over this extension, or over another build of it."""
    return DeviceFunctions("cudasim", extension, HostArrays())


functions = over(_cudasim)

name = functions.name
dtypes = functions.dtypes
gemm = functions.gemm
conv2d = functions.conv2d
conv2d_backward_input = functions.conv2d_backward_input
conv2d_backward_weight = functions.conv2d_backward_weight
conv2d_max_pool2d = functions.conv2d_max_pool2d
conv2d_max_pool2d_backward_input = functions.conv2d_max_pool2d_backward_input
conv2d_max_pool2d_backward_weight = functions.conv2d_max_pool2d_backward_weight
max_pool2d = functions.max_pool2d
max_pool2d_backward = functions.max_pool2d_backward
avg_pool2d = functions.avg_pool2d
avg_pool2d_backward = functions.avg_pool2d_backward
batch_norm = functions.batch_norm
batch_norm_backward = functions.batch_norm_backward
softmax = functions.softmax
log_softmax = functions.log_softmax
softmax_backward = functions.softmax_backward
log_softmax_backward = functions.log_softmax_backward
softmax_cross_entropy = functions.softmax_cross_entropy
linear_softmax_cross_entropy = functions.linear_softmax_cross_entropy
adam_step = functions.adam_step
sgd_step = functions.sgd_step
rmsprop_step = functions.rmsprop_step
adagrad_step = functions.adagrad_step
activation = functions.activation
activation_backward = functions.activation_backward
dropout = functions.dropout
bias_gradient = functions.bias_gradient
axis_sum = functions.axis_sum
arithmetic = functions.arithmetic
copy = functions.copy
concatenate = functions.concatenate
elementwise_loss = functions.elementwise_loss
clip_by_norm = functions.clip_by_norm
clip_by_value = functions.clip_by_value
