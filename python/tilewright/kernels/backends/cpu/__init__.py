"""The C++ kernels: thin adapters from the backends' interface to the extension."""

from __future__ import annotations

try:
    import tilewright._cpu  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"the compiled extension tilewright._cpu does not load ({error}); install "
        "tilewright again where there is a C++17 compiler, or choose the numpy backend"
    ) from error

from tilewright.kernels.backends.cpu.adam import adam_step as adam_step
from tilewright.kernels.backends.cpu.batch_norm import batch_norm as batch_norm
from tilewright.kernels.backends.cpu.batch_norm import (
    batch_norm_backward as batch_norm_backward,
)
from tilewright.kernels.backends.cpu.conv2d import conv2d as conv2d
from tilewright.kernels.backends.cpu.conv2d import (
    conv2d_backward_input as conv2d_backward_input,
)
from tilewright.kernels.backends.cpu.conv2d import (
    conv2d_backward_weight as conv2d_backward_weight,
)
from tilewright.kernels.backends.cpu.conv2d_max_pool2d import (
    conv2d_max_pool2d as conv2d_max_pool2d,
)
from tilewright.kernels.backends.cpu.conv2d_max_pool2d import (
    conv2d_max_pool2d_backward_input as conv2d_max_pool2d_backward_input,
)
from tilewright.kernels.backends.cpu.conv2d_max_pool2d import (
    conv2d_max_pool2d_backward_weight as conv2d_max_pool2d_backward_weight,
)
from tilewright.kernels.backends.cpu.elementwise import activation as activation
from tilewright.kernels.backends.cpu.elementwise import (
    activation_backward as activation_backward,
)
from tilewright.kernels.backends.cpu.elementwise import arithmetic as arithmetic
from tilewright.kernels.backends.cpu.elementwise import axis_sum as axis_sum
from tilewright.kernels.backends.cpu.elementwise import bias_gradient as bias_gradient
from tilewright.kernels.backends.cpu.elementwise import concatenate as concatenate
from tilewright.kernels.backends.cpu.elementwise import copy as copy
from tilewright.kernels.backends.cpu.elementwise import dropout as dropout
from tilewright.kernels.backends.cpu.elementwise_loss import (
    elementwise_loss as elementwise_loss,
)
from tilewright.kernels.backends.cpu.gemm import gemm as gemm
from tilewright.kernels.backends.cpu.gemm import quick_gemm
from tilewright.kernels.backends.cpu.gradient_clipping import (
    clip_by_norm as clip_by_norm,
)
from tilewright.kernels.backends.cpu.gradient_clipping import (
    clip_by_value as clip_by_value,
)
from tilewright.kernels.backends.cpu.linear_softmax_cross_entropy import (
    linear_softmax_cross_entropy as linear_softmax_cross_entropy,
)
from tilewright.kernels.backends.cpu.pool2d import avg_pool2d as avg_pool2d
from tilewright.kernels.backends.cpu.pool2d import (
    avg_pool2d_backward as avg_pool2d_backward,
)
from tilewright.kernels.backends.cpu.pool2d import max_pool2d as max_pool2d
from tilewright.kernels.backends.cpu.pool2d import (
    max_pool2d_backward as max_pool2d_backward,
)
from tilewright.kernels.backends.cpu.rmsprop import adagrad_step as adagrad_step
from tilewright.kernels.backends.cpu.rmsprop import rmsprop_step as rmsprop_step
from tilewright.kernels.backends.cpu.sgd import sgd_step as sgd_step
from tilewright.kernels.backends.cpu.softmax_cross_entropy import (
    log_softmax as log_softmax,
)
from tilewright.kernels.backends.cpu.softmax_cross_entropy import (
    log_softmax_backward as log_softmax_backward,
)
from tilewright.kernels.backends.cpu.softmax_cross_entropy import softmax as softmax
from tilewright.kernels.backends.cpu.softmax_cross_entropy import (
    softmax_backward as softmax_backward,
)
from tilewright.kernels.backends.cpu.softmax_cross_entropy import (
    softmax_cross_entropy as softmax_cross_entropy,
)

name = "cpu"
dtypes = ("float32",)
quick = {"gemm": quick_gemm}
