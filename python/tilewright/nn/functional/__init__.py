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
from tilewright.nn.functional.composed_activation import (
    elu,
    hardsigmoid,
    relu6,
    selu,
    silu,
    softplus,
    softsign,
)
from tilewright.nn.functional.convolution import conv2d, conv2d_max_pool2d
from tilewright.nn.functional.cross_entropy import cross_entropy
from tilewright.nn.functional.dropout import dropout
from tilewright.nn.functional.linear import linear
from tilewright.nn.functional.linear_cross_entropy import linear_cross_entropy
from tilewright.nn.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    l1_loss,
    mse_loss,
)
from tilewright.nn.functional.normalization import batch_norm
from tilewright.nn.functional.pooling import (
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
)
from tilewright.nn.functional.shaping import flatten

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv2d_max_pool2d",
    "cross_entropy",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "global_avg_pool2d",
    "global_max_pool2d",
    "hardsigmoid",
    "huber_loss",
    "l1_loss",
    "leaky_relu",
    "linear",
    "linear_cross_entropy",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]
