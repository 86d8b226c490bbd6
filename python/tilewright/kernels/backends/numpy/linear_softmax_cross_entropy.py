"""The linear layer and its loss with NumPy, a chunk of rows at a time."""

from __future__ import annotations

from tilewright.kernels.backends import in_chunks
from tilewright.kernels.backends.numpy.elementwise import bias_gradient
from tilewright.kernels.backends.numpy.gemm import gemm
from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.numpy.softmax_cross_entropy import (
    softmax_cross_entropy,
)
from tilewright.kernels.backends.protocol import Array


class _Parts:
    gemm = staticmethod(gemm)
    softmax_cross_entropy = staticmethod(softmax_cross_entropy)
    bias_gradient = staticmethod(bias_gradient)


@quiet
def linear_softmax_cross_entropy(
    x: Array,
    weight: Array,
    bias: Array | None,
    labels: Array,
    label_smoothing: float,
    ignore_index: int | None,
    class_weight: Array | None,
    reduction: str,
    chunk_rows: int,
) -> tuple[Array, Array, Array, Array | None]:
    """Return the loss and the gradients of x, weight and bias."""
    return in_chunks.linear_softmax_cross_entropy(
        _Parts, x, weight, bias, labels, label_smoothing, ignore_index, class_weight,
        reduction, chunk_rows,
    )  # fmt: skip
