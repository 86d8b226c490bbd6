"""Softmax and the cross-entropy loss in CUDA.

Labels are not looked at beforehand, which would stop the stream: a row of a label
that is none has the loss NaN and no gradient.
"""

from __future__ import annotations

from tilewright.kernels.backends.device.arrays import Adapter
from tilewright.kernels.backends.protocol import Array


class SoftmaxCrossEntropy(Adapter):
    """The family's functions."""

    def softmax(self, x: Array) -> Array:
        """Return ``exp(x) / sum(exp(x))`` of each row."""
        return self._softmax("softmax", x, None)

    def log_softmax(self, x: Array) -> Array:
        """Return ``x - log(sum(exp(x)))`` of each row."""
        return self._softmax("log_softmax", x, None)

    def softmax_backward(self, dy: Array, y: Array) -> Array:
        """Return ``y * (dy - sum(dy * y))`` of each row."""
        return self._softmax("softmax_backward", dy, y)

    def log_softmax_backward(self, dy: Array, y: Array) -> Array:
        """Return ``dy - exp(y) * sum(dy)`` of each row."""
        return self._softmax("log_softmax_backward", dy, y)

    def _softmax(self, which: str, a: Array, saved: Array | None) -> Array:
        rows, C = a.shape
        out = self._empty((rows, C))
        self._extension.softmax(
            which, rows, C, self._memory(a), self._optional(saved),
            self._memory(out), self._arrays.stream(),
        )  # fmt: skip
        return out

    def softmax_cross_entropy(
        self,
        logits: Array,
        labels: Array,
        label_smoothing: float,
        ignore_index: int | None,
        class_weight: Array | None,
        reduction: str,
    ) -> tuple[Array, Array]:
        """Return the loss and the gradient of the logits."""
        rows, C = logits.shape
        loss = self._empty((rows,) if reduction == "none" else ())
        dlogits = self._empty((rows, C))
        self._extension.softmax_cross_entropy(
            rows, C, self._memory(logits), self._memory(labels), label_smoothing,
            ignore_index, self._optional(class_weight), reduction,
            self._memory(loss), self._memory(dlogits), self._allocate,
            self._arrays.stream(),
        )  # fmt: skip
        return loss, dlogits
