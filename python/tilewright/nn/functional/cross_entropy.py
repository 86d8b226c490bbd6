"""The differentiable loss of classification."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.arrays import boxed
from tilewright.autograd.broadcasting import reshaped
from tilewright.autograd.engine import is_one
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.kernels import checks
from tilewright.kernels.device_arrays import is_array
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
            logits, labels = labelled_rows("cross_entropy", "logits", logits, labels)
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
        if is_one(dy):
            return dlogits, None, None
        return kernels.arithmetic(dlogits, dy, "multiply"), None, None


class _SoftCrossEntropy(Function):
    """Targets that are probabilities of the classes."""

    gradient_memory = "new"

    @staticmethod
    def forward(
        ctx: Context,
        logits: Array,
        target: Array,
        class_weight: Array | None,
        *,
        label_smoothing: float,
        reduction: str,
    ) -> Array:
        op = "cross_entropy"
        logits = checks.floating(op, "input", logits, None)
        if target.shape != logits.shape or not target.ndim:
            raise ValueError(
                f"{op}: target must have input's shape {logits.shape} where it is of "
                f"probabilities, got {target.shape}"
            )
        checks.choice(op, "reduction", reduction, ("mean", "sum", "none"))
        C = logits.shape[-1]
        smooth = checks.number(op, "label_smoothing", label_smoothing, 0.0, 1.0)
        target = target.astype(logits.dtype)
        if smooth:
            target = target * (1 - smooth) + smooth / C
        if class_weight is not None:
            target = target * checks.like(
                op, "class_weight", class_weight, (C,), "input", logits
            )
        scores = kernels.log_softmax(logits)
        # The mean of nothing is NaN, as in PyTorch, and no warning.
        rows = logits.size // C or float("nan")
        ctx.divisor = rows if reduction == "mean" else 1
        ctx.save_for_backward(scores, target)
        with np.errstate(all="ignore"):
            losses = -np.add.reduce(scores * target, axis=-1)
            if reduction == "none":
                return boxed(losses)
            return boxed(np.add.reduce(losses, axis=None) / ctx.divisor)

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        scores, target = ctx.saved
        share = np.exp(scores) * target.sum(axis=-1, keepdims=True)
        scale = (dy[..., None] if dy.ndim else dy) / ctx.divisor
        return (share - target) * scale, None, None


def labelled_rows(op: str, name: str, x: Array, labels: Array) -> tuple[Array, Array]:
    """Positions of sequences or pixels as rows, their labels as one line."""
    *positions, size = x.shape
    shape = getattr(labels, "shape", None)
    if shape is not None and shape != tuple(positions):
        raise ValueError(
            f"{op}: target must have shape {tuple(positions)} for {name} of shape "
            f"{x.shape}, got {shape}"
        )
    count = 1
    for extent in positions:
        count *= extent
    if shape is not None:
        labels = labels.reshape(count)
    return reshaped(x, (count, size)), labels


def cross_entropy(
    input: TensorLike,
    target: TensorLike,
    class_weight: TensorLike | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of ``softmax(input)`` and class numbers or probabilities.

    Parameters
    ----------
    input : Tensor or ndarray, shape (N, C) or (..., C)
        Logits.
    target : Tensor or ndarray, shape (N,) or (...), or input's
        int32 or int64, each in ``[0, C)`` or equal to `ignore_index`; or floats of
        input's shape, the probabilities of the classes.
    class_weight : Tensor or ndarray, shape (C,), optional
        Weight of each class; a constant.
    label_smoothing : float, default 0.0
        In ``[0, 1]``: the share of the target that goes to all classes evenly.
    ignore_index : int, optional
        Rows of this label have no loss, no gradient and no share in the mean. Not
        for probabilities.
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean is weighted by the classes' weights; with probabilities it is over
        the rows, as in PyTorch.

    Returns
    -------
    Tensor, shape () or, with "none", input's without the last axis

    Raises
    ------
    ValueError
        If shapes do not agree, or a label or a number is out of range.
    TypeError
        If input is of another dtype than float32 or float64, or the target is
        neither int32, int64 nor floats.

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
    data: Any = target.data if isinstance(target, Tensor) else target
    if is_array(data) and data.dtype.kind == "f":
        if ignore_index is not None:
            raise ValueError(
                "cross_entropy: ignore_index is for class numbers, the target is of "
                f"{data.dtype.name}"
            )
        return _SoftCrossEntropy.apply(
            input,
            data,
            class_weight,
            label_smoothing=label_smoothing,
            reduction=reduction,
        )
    return _CrossEntropy.apply(
        input,
        target,
        class_weight,
        label_smoothing=label_smoothing,
        ignore_index=ignore_index,
        reduction=reduction,
    )
