"""The linear layer and its loss, a chunk of rows at a time, over any backend's parts.

For backends on the host: that the logits never exist whole is a matter of the order
in which a backend's own functions are called.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tilewright.kernels.backends.protocol import Array


class Parts(Protocol):
    """What the loss is made of: functions of the interface of backends."""

    def gemm(
        self,
        a: Array,
        b: Array,
        transpose_a: bool,
        transpose_b: bool,
        bias: Array | None,
        activation: str,
        out: Array | None,
        accumulate: bool,
        /,
    ) -> Array:
        """Return a product."""

    def softmax_cross_entropy(
        self,
        logits: Array,
        labels: Array,
        label_smoothing: float,
        ignore_index: int | None,
        class_weight: Array | None,
        reduction: str,
        /,
    ) -> tuple[Array, Array]:
        """Return a loss and the gradient of the logits."""

    def bias_gradient(self, dy: Array, /) -> Array:
        """Return the sum of the rows."""


def linear_softmax_cross_entropy(
    parts: Parts,
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
    """Return the loss and the gradients of x, weight and bias.

    What a mean divides by is known beforehand, and goes into the weights of the
    classes: the loss and all gradients are linear in them.
    """
    rows, C = len(x), weight.shape[1]
    dx, dweight = np.empty_like(x), np.zeros_like(weight)
    dbias = None if bias is None else np.zeros_like(bias)
    if reduction == "mean":
        weights = np.ones(C, x.dtype) if class_weight is None else class_weight
        counted = labels if ignore_index is None else labels[labels != ignore_index]
        share = float(weights[counted].sum(dtype=np.float64))
        if share == 0:
            # A mean over no rows: NaN, but without a gradient.
            dx[...] = 0
            return np.asarray(np.nan, x.dtype), dx, dweight, dbias
        class_weight = (weights / share).astype(x.dtype)
    loss = 0.0
    chunk = np.empty((min(rows, chunk_rows), C), x.dtype)
    for begin in range(0, rows, chunk_rows):
        some = x[begin : begin + chunk_rows]
        logits = parts.gemm(
            some, weight, False, False, bias, "none", chunk[: len(some)], False
        )
        part, dlogits = parts.softmax_cross_entropy(
            logits, labels[begin : begin + chunk_rows], label_smoothing, ignore_index,
            class_weight, "sum",
        )  # fmt: skip
        loss += float(part)
        parts.gemm(
            dlogits, weight, False, True, None, "none",
            dx[begin : begin + chunk_rows], False,
        )  # fmt: skip
        parts.gemm(some, dlogits, True, False, None, "none", dweight, True)
        if dbias is not None:
            dbias += parts.bias_gradient(dlogits)
    return np.asarray(loss, x.dtype), dx, dweight, dbias
