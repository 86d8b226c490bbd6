"""The linear layer and its loss in CUDA, a chunk of rows at a time."""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.matmul_precision import matmul_precision


class LinearSoftmaxCrossEntropy(Adapter):
    """The joined function."""

    def linear_softmax_cross_entropy(
        self,
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
        (rows, size), C = x.shape, weight.shape[1]
        loss = self._empty(())
        dx, dweight = self._empty(x.shape), self._empty(weight.shape)
        dbias = None if bias is None else self._empty(bias.shape)
        self._extension.linear_softmax_cross_entropy(
            rows, size, C, chunk_rows, self._memory(x), self._memory(weight),
            self._optional(bias), self._memory(labels), label_smoothing, ignore_index,
            self._optional(class_weight), reduction, matmul_precision(),
            self._memory(loss), self._memory(dx), self._memory(dweight),
            self._optional(dbias), self._allocate, self._arrays.stream(),
        )  # fmt: skip
        return loss, dx, dweight, dbias
