"""Tensors, the tape of what was computed from them, and the way back."""

# The first, for the operations and the class that they serve refer to each other.
from tilewright.autograd.tensor import Tensor, tensor  # isort: split

from tilewright.autograd.function import Context, Function
from tilewright.autograd.grad_mode import is_grad_enabled, no_grad
from tilewright.autograd.gradcheck import gradcheck
from tilewright.autograd.indexing import where
from tilewright.autograd.joining import concatenate, split, stack
from tilewright.autograd.linear import matmul
from tilewright.autograd.pointwise import (
    absolute,
    clip,
    exp,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    sqrt,
    tanh,
)
from tilewright.autograd.shaping import broadcast_to, expand_dims

__all__ = [
    "Context",
    "Function",
    "Tensor",
    "absolute",
    "broadcast_to",
    "clip",
    "concatenate",
    "exp",
    "expand_dims",
    "gradcheck",
    "is_grad_enabled",
    "log",
    "matmul",
    "maximum",
    "minimum",
    "no_grad",
    "relu",
    "sigmoid",
    "split",
    "sqrt",
    "stack",
    "tanh",
    "tensor",
    "where",
]
