"""The CUDA kernels on NVIDIA GPUs, over CuPy's arrays.

Arrays come from CuPy's memory pool and kernels go to CuPy's current stream, on the
device that is CuPy's current one: work is asynchronous, and nothing here waits for
it. CuPy's arrays come here by themselves.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from tilewright.extras import require
from tilewright.kernels.backends.device import DeviceFunctions
from tilewright.kernels.backends.device.arrays import Memory
from tilewright.kernels.backends.protocol import Array, Shape
from tilewright.kernels.device_arrays import on_device

ABI = 1  # as in csrc/bindings/cuda/cuda.cpp

try:
    _cuda = importlib.import_module("tilewright._cuda")
except ImportError as error:
    raise ImportError(
        f"the compiled extension tilewright._cuda does not load ({error}); install "
        "tilewright from source where nvcc is, with "
        "-Ccmake.define.TILEWRIGHT_CUDA=ON"
    ) from error

if _cuda.abi != ABI:
    raise ImportError(
        f"tilewright._cuda has the interface {_cuda.abi} and this tilewright "
        f"needs {ABI}: install both from one version"
    )
if _reason := _cuda.unavailable_reason():
    raise ImportError(_reason)

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
            If it is an array of another library.
        """
        if not on_device(array):
            raise TypeError(
                f"cuda: all arrays must be CuPy arrays, got {type(array).__name__}; "
                "move it with cupy.asarray"
            )
        pointer: int = array.data.ptr  # type: ignore[attr-defined]
        return pointer, array.nbytes

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
softmax = functions.softmax
log_softmax = functions.log_softmax
softmax_backward = functions.softmax_backward
log_softmax_backward = functions.log_softmax_backward
softmax_cross_entropy = functions.softmax_cross_entropy
linear_softmax_cross_entropy = functions.linear_softmax_cross_entropy
adam_step = functions.adam_step
sgd_step = functions.sgd_step
activation = functions.activation
activation_backward = functions.activation_backward
dropout = functions.dropout
bias_gradient = functions.bias_gradient
axis_sum = functions.axis_sum
arithmetic = functions.arithmetic
copy = functions.copy
concatenate = functions.concatenate
