"""The differentiable loss of classification."""

from __future__ import annotations

from tilewright import kernels
from tilewright.autograd import Tensor, watch
from tilewright.autograd.broadcasting import reshaped
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.nn.types import Array, TensorLike


class _CrossEntropy(Function):
    # The gradient was made in the forward pass and is kept for a second backward.
    gradient_memory = "shared"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context,
        logits: Array,
        labels: Array,
        class_weight: Array | None,
        *,
        label_smoothing: float,
        ignore_index: int | None,
        reduction: str,
    ) -> Array:
        shape = getattr(logits, "shape", ())
        if len(shape) > 2:
            logits, labels = _rows(logits, labels)
        loss, dlogits = kernels.softmax_cross_entropy(
            logits,
            labels,
            label_smoothing=label_smoothing,
            ignore_index=ignore_index,
            class_weight=class_weight,
            reduction=reduction,
        )
        if len(shape) > 2:
            dlogits = dlogits.reshape(shape)
            if reduction == "none":
                loss = loss.reshape(shape[:-1])
        ctx.save_for_backward(dlogits)
        return loss

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        (dlogits,) = ctx.saved
        if dy.ndim:
            return kernels.arithmetic(dlogits, dy[..., None], "multiply"), None, None
        # Of a loss that backward starts from: the common case, and no pass at all.
        if watch.is_constant(dy) and dy == 1:
            return dlogits, None, None
        return kernels.arithmetic(dlogits, dy, "multiply"), None, None


def _rows(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Logits of sequences or pixels as rows, their labels as one line."""
    *positions, C = logits.shape
    shape = getattr(labels, "shape", None)
    if shape is not None and shape != tuple(positions):
        raise ValueError(
            f"cross_entropy: target must have shape {tuple(positions)} for logits of "
            f"shape {logits.shape}, got {shape}"
        )
    count = 1
    for extent in positions:
        count *= extent
    if shape is not None:
        labels = labels.reshape(count)
    return reshaped(logits, (count, C)), labels


def cross_entropy(
    input: TensorLike,
    target: TensorLike,
    class_weight: TensorLike | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of ``softmax(input)`` and class numbers.

    Parameters
    ----------
    input : Tensor or ndarray, shape (N, C) or (..., C)
        Logits.
    target : Tensor or ndarray, shape (N,) or (...)
        int32 or int64, each in ``[0, C)`` or equal to `ignore_index`.
    class_weight : Tensor or ndarray, shape (C,), optional
        Weight of each class; a constant.
    label_smoothing : float, default 0.0
        In ``[0, 1]``: the share of the target that goes to all classes evenly.
    ignore_index : int, optional
        Rows of this label have no loss, no gradient and no share in the mean.
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is weighted by the classes' weights.

    Returns
    -------
    Tensor, shape () or, with "none", that of the target

    Raises
    ------
    ValueError
        If shapes do not agree, or a label or a number is out of range.
    TypeError
        If input is of another dtype than float32 or float64, or the labels are no
        int32 or int64.

    References
    ----------
    C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
    2015, https://arxiv.org/abs/1512.00567, section 7 (label smoothing).

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> logits = np.zeros((2, 4), np.float32)
    >>> loss = functional.cross_entropy(logits, np.array([0, 3]))
    >>> round(loss.item(), 4)
    1.3863
    """
    if isinstance(class_weight, Tensor):
        class_weight = class_weight.data
    return _CrossEntropy.apply(
        input,
        target,
        class_weight,
        label_smoothing=label_smoothing,
        ignore_index=ignore_index,
        reduction=reduction,
    )
