"""The specification: every kernel in NumPy alone, short enough to be read.

It computes in float32 and in float64. In float64 it is what the other backends are
compared with, and what gradients are checked on; where there is no compiled
extension it serves everything.
"""

from __future__ import annotations

from tilewright.kernels.backends.numpy.adam import adam_step as adam_step
from tilewright.kernels.backends.numpy.batch_norm import batch_norm as batch_norm
from tilewright.kernels.backends.numpy.batch_norm import (
    batch_norm_backward as batch_norm_backward,
)
from tilewright.kernels.backends.numpy.conv2d import conv2d as conv2d
from tilewright.kernels.backends.numpy.conv2d import (
    conv2d_backward_input as conv2d_backward_input,
)
from tilewright.kernels.backends.numpy.conv2d import (
    conv2d_backward_weight as conv2d_backward_weight,
)
from tilewright.kernels.backends.numpy.conv2d_max_pool2d import (
    conv2d_max_pool2d as conv2d_max_pool2d,
)
from tilewright.kernels.backends.numpy.conv2d_max_pool2d import (
    conv2d_max_pool2d_backward_input as conv2d_max_pool2d_backward_input,
)
from tilewright.kernels.backends.numpy.conv2d_max_pool2d import (
    conv2d_max_pool2d_backward_weight as conv2d_max_pool2d_backward_weight,
)
from tilewright.kernels.backends.numpy.elementwise import activation as activation
from tilewright.kernels.backends.numpy.elementwise import (
    activation_backward as activation_backward,
)
from tilewright.kernels.backends.numpy.elementwise import arithmetic as arithmetic
from tilewright.kernels.backends.numpy.elementwise import axis_sum as axis_sum
from tilewright.kernels.backends.numpy.elementwise import (
    bias_gradient as bias_gradient,
)
from tilewright.kernels.backends.numpy.elementwise import concatenate as concatenate
from tilewright.kernels.backends.numpy.elementwise import copy as copy
from tilewright.kernels.backends.numpy.elementwise import dropout as dropout
from tilewright.kernels.backends.numpy.elementwise_loss import (
    elementwise_loss as elementwise_loss,
)
from tilewright.kernels.backends.numpy.gemm import gemm as gemm
from tilewright.kernels.backends.numpy.gradient_clipping import (
    clip_by_norm as clip_by_norm,
)
from tilewright.kernels.backends.numpy.gradient_clipping import (
    clip_by_value as clip_by_value,
)
from tilewright.kernels.backends.numpy.linear_softmax_cross_entropy import (
    linear_softmax_cross_entropy as linear_softmax_cross_entropy,
)
from tilewright.kernels.backends.numpy.pool2d import avg_pool2d as avg_pool2d
from tilewright.kernels.backends.numpy.pool2d import (
    avg_pool2d_backward as avg_pool2d_backward,
)
from tilewright.kernels.backends.numpy.pool2d import max_pool2d as max_pool2d
from tilewright.kernels.backends.numpy.pool2d import (
    max_pool2d_backward as max_pool2d_backward,
)
from tilewright.kernels.backends.numpy.rmsprop import adagrad_step as adagrad_step
from tilewright.kernels.backends.numpy.rmsprop import rmsprop_step as rmsprop_step
from tilewright.kernels.backends.numpy.sgd import sgd_step as sgd_step
from tilewright.kernels.backends.numpy.softmax_cross_entropy import (
    log_softmax as log_softmax,
)
from tilewright.kernels.backends.numpy.softmax_cross_entropy import (
    log_softmax_backward as log_softmax_backward,
)
from tilewright.kernels.backends.numpy.softmax_cross_entropy import softmax as softmax
from tilewright.kernels.backends.numpy.softmax_cross_entropy import (
    softmax_backward as softmax_backward,
)
from tilewright.kernels.backends.numpy.softmax_cross_entropy import (
    softmax_cross_entropy as softmax_cross_entropy,
)

name = "numpy"
dtypes = ("float32", "float64")
