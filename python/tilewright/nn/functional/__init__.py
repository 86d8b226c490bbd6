"""Differentiable functions: each one's forward beside its backward.

A NumPy array or a Tensor goes in, a Tensor comes out. The computing is done by
:mod:`tilewright.kernels`; layouts and conventions are in docs/conventions.md.
"""

from tilewright.nn.functional.activation import (
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from tilewright.nn.functional.convolution import conv2d, conv2d_max_pool2d
from tilewright.nn.functional.cross_entropy import cross_entropy
from tilewright.nn.functional.dropout import dropout
from tilewright.nn.functional.linear import linear
from tilewright.nn.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    l1_loss,
    mse_loss,
)
from tilewright.nn.functional.pooling import (
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
)
from tilewright.nn.functional.shaping import flatten

__all__ = [
    "avg_pool2d",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv2d_max_pool2d",
    "cross_entropy",
    "dropout",
    "flatten",
    "gelu",
    "global_avg_pool2d",
    "global_max_pool2d",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
