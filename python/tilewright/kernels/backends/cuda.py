"""The CUDA kernels on NVIDIA GPUs, over CuPy's arrays.

Arrays come from CuPy's memory pool and kernels go to CuPy's current stream, on the
device that is CuPy's current one: work is asynchronous, and nothing here waits for
it. CuPy's arrays come here by themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.extras import require
from tilewright.kernels import cuda_extension
from tilewright.kernels.backends.device import DeviceFunctions
from tilewright.kernels.backends.device.arrays import Memory
from tilewright.kernels.backends.protocol import Array, Shape
from tilewright.kernels.device_arrays import on_device

_cuda = cuda_extension.load()
if _missing := cuda_extension.missing(_cuda):
    raise ImportError("; ".join(_missing))

cupy = require("cupy", extra="cuda")


class DeviceArrays:
    """CuPy's arrays on its current device."""

    def empty(self, shape: Shape, dtype: np.dtype[Any]) -> Array:
        """Return an array whose elements are yet to be written."""
        made: Array = cupy.empty(shape, dtype)
        return made

    def memory(self, array: Array) -> Memory:
        """Return where an array's elements lie.

        Raises
        ------
        TypeError
            If it is an array of another library, or on another device than CuPy's
            current one.
        """
        if not on_device(array):
            raise TypeError(
                f"cuda: all arrays must be CuPy arrays, got {type(array).__name__}; "
                "move it with cupy.asarray"
            )
        data: Any = array.data
        if data.device_id != (current := cupy.cuda.runtime.getDevice()):
            raise TypeError(
                f"cuda: an array is on cuda:{data.device_id} and CuPy's current device "
                f"is cuda:{current}; compute in `with cupy.cuda.Device("
                f"{data.device_id}):`"
            )
        return data.ptr, array.nbytes

    def stream(self) -> int:
        """Return CuPy's current stream."""
        pointer: int = cupy.cuda.get_current_stream().ptr
        return pointer


functions = DeviceFunctions("cuda", _cuda, DeviceArrays())

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
