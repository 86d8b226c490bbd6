"""Matrix multiplication with bias and activation."""

from __future__ import annotations

import numpy as np

from tilewright.kernels.backends.numpy.elementwise import activate
from tilewright.kernels.backends.numpy.quiet import quiet
from tilewright.kernels.backends.protocol import Array


@quiet
def gemm(
    a: Array,
    b: Array,
    transpose_a: bool,
    transpose_b: bool,
    bias: Array | None,
    activation: str,
    out: Array | None,
    accumulate: bool,
) -> Array:
    """Return ``activation(op(a) @ op(b) + bias)``, plus out where it accumulates."""
    left = a.T if transpose_a else a
    right = b.T if transpose_b else b
    if out is not None and accumulate:
        out += left @ right
    else:
        out = np.matmul(left, right, out=out)
    if bias is not None:
        out += bias
    return activate(out, activation, out=out)
