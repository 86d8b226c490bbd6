"""Kernels on NumPy arrays: what the whole of tilewright computes with.

Each function checks its arguments and hands them to a backend: ``cpu`` (C++) or
``numpy``; :func:`use` and :func:`backend` choose. Layouts and conventions are in
docs/conventions.md.
"""

from __future__ import annotations

from tilewright.kernels.adam import adam_step as adam_step
from tilewright.kernels.batch_norm import batch_norm as batch_norm
from tilewright.kernels.batch_norm import batch_norm_backward as batch_norm_backward
from tilewright.kernels.control import algorithms as algorithms
from tilewright.kernels.control import all_algorithms as all_algorithms
from tilewright.kernels.control import available_isas as available_isas
from tilewright.kernels.control import build_info as build_info
from tilewright.kernels.control import conv_algorithm as conv_algorithm
from tilewright.kernels.control import default_num_threads as default_num_threads
from tilewright.kernels.control import force_algorithm as force_algorithm
from tilewright.kernels.control import get_num_threads as get_num_threads
from tilewright.kernels.control import isa as isa
from tilewright.kernels.control import last_algorithm as last_algorithm
from tilewright.kernels.control import set_conv_algorithm as set_conv_algorithm
from tilewright.kernels.control import set_num_threads as set_num_threads
from tilewright.kernels.control import use_conv_algorithm as use_conv_algorithm
from tilewright.kernels.control import use_isa as use_isa
from tilewright.kernels.conv2d import conv2d as conv2d
from tilewright.kernels.conv2d import conv2d_backward_input as conv2d_backward_input
from tilewright.kernels.conv2d import conv2d_backward_weight as conv2d_backward_weight
from tilewright.kernels.conv2d import conv_output_shape as conv_output_shape
from tilewright.kernels.conv2d_max_pool2d import (
    conv2d_max_pool2d as conv2d_max_pool2d,
)
from tilewright.kernels.conv2d_max_pool2d import (
    conv2d_max_pool2d_backward_input as conv2d_max_pool2d_backward_input,
)
from tilewright.kernels.conv2d_max_pool2d import (
    conv2d_max_pool2d_backward_weight as conv2d_max_pool2d_backward_weight,
)
from tilewright.kernels.dispatch import available as available
from tilewright.kernels.dispatch import backend as backend
from tilewright.kernels.dispatch import chosen as chosen
from tilewright.kernels.dispatch import use as use
from tilewright.kernels.elementwise import activation as activation
from tilewright.kernels.elementwise import activation_backward as activation_backward
from tilewright.kernels.elementwise import arithmetic as arithmetic
from tilewright.kernels.elementwise import axis_sum as axis_sum
from tilewright.kernels.elementwise import bias_gradient as bias_gradient
from tilewright.kernels.elementwise import concatenate as concatenate
from tilewright.kernels.elementwise import copy as copy
from tilewright.kernels.elementwise import dropout as dropout
from tilewright.kernels.elementwise_loss import elementwise_loss as elementwise_loss
from tilewright.kernels.gemm import gemm as gemm
from tilewright.kernels.gradient_clipping import clip_by_norm as clip_by_norm
from tilewright.kernels.gradient_clipping import clip_by_value as clip_by_value
from tilewright.kernels.linear_softmax_cross_entropy import (
    linear_softmax_cross_entropy as linear_softmax_cross_entropy,
)
from tilewright.kernels.pool2d import avg_pool2d as avg_pool2d
from tilewright.kernels.pool2d import avg_pool2d_backward as avg_pool2d_backward
from tilewright.kernels.pool2d import global_avg_pool2d as global_avg_pool2d
from tilewright.kernels.pool2d import (
    global_avg_pool2d_backward as global_avg_pool2d_backward,
)
from tilewright.kernels.pool2d import global_max_pool2d as global_max_pool2d
from tilewright.kernels.pool2d import (
    global_max_pool2d_backward as global_max_pool2d_backward,
)
from tilewright.kernels.pool2d import max_pool2d as max_pool2d
from tilewright.kernels.pool2d import max_pool2d_backward as max_pool2d_backward
from tilewright.kernels.rmsprop import adagrad_step as adagrad_step
from tilewright.kernels.rmsprop import rmsprop_step as rmsprop_step
from tilewright.kernels.sgd import sgd_step as sgd_step
from tilewright.kernels.shapes import no_gradient as no_gradient
from tilewright.kernels.softmax_cross_entropy import log_softmax as log_softmax
from tilewright.kernels.softmax_cross_entropy import (
    log_softmax_backward as log_softmax_backward,
)
from tilewright.kernels.softmax_cross_entropy import softmax as softmax
from tilewright.kernels.softmax_cross_entropy import (
    softmax_backward as softmax_backward,
)
from tilewright.kernels.softmax_cross_entropy import (
    softmax_cross_entropy as softmax_cross_entropy,
)
