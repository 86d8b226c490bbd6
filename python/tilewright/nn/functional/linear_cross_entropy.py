"""The differentiable linear map and the loss of its outputs as one function."""

from __future__ import annotations

from typing import Any

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.engine import is_one
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.nn.functional.cross_entropy import labelled_rows
from tilewright.nn.types import Array, TensorLike


class _LinearCrossEntropy(Function):
    # The gradients were made in the forward pass and are kept for a second backward.
    gradient_memory = "shared"

    @staticmethod
    def forward(
        ctx: Context,
        x: Array,
        weight: Array,
        bias: Array | None,
        labels: Array,
        class_weight: Array | None,
        **options: Any,
    ) -> Array:
        shape = getattr(x, "shape", ())
        if len(shape) > 2:
            x, labels = labelled_rows("linear_cross_entropy", "x", x, labels)
        loss, dx, dweight, dbias = kernels.linear_softmax_cross_entropy(
            x, weight, labels, bias=bias, class_weight=class_weight, **options
        )
        needs_x, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        ctx.save_for_backward(
            dx.reshape(shape) if needs_x else None,
            dweight if needs_weight else None,
            dbias if needs_bias else None,
        )
        return loss

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        saved = ctx.saved
        # Of a loss that backward starts from: the common case, and no pass at all.
        if not is_one(dy):
            saved = tuple(
                None if one is None else kernels.arithmetic(one, dy, "multiply")
                for one in saved
            )
        return *saved, None, None


def linear_cross_entropy(
    x: TensorLike,
    weight: TensorLike,
    target: TensorLike,
    bias: TensorLike | None = None,
    class_weight: TensorLike | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
    chunk_rows: int | None = None,
) -> Tensor:
    """``cross_entropy(linear(x, weight, bias), target)`` without the logits.

    With many classes the logits and their gradient are a model's largest arrays. Here
    they exist for some rows at a time, whose gradients are computed at once.

    Parameters
    ----------
    x : Tensor or ndarray, shape (N, in) or (..., in)
    weight : Tensor or ndarray, shape (in, C)
    target : Tensor or ndarray, shape (N,) or (...)
        int32 or int64, each in ``[0, C)`` or equal to `ignore_index`.
    bias : Tensor or ndarray, shape (C,), optional
    class_weight : Tensor or ndarray, shape (C,), optional
        Weight of each class; a constant.
    label_smoothing : float, default 0.0
        In ``[0, 1]``: the share of the target that goes to all classes evenly.
    ignore_index : int, optional
        Rows of this label have no loss, no gradient and no share in the mean.
    reduction : {"mean", "sum"}, default "mean"
    chunk_rows : int, optional
        Rows whose logits exist at once; by default as many as make some millions.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If shapes do not agree, or a label or a number is out of range.
    TypeError
        If x is of another dtype than float32 or float64, another array not like it,
        or the target neither int32 nor int64.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> x, weight = np.ones((2, 3), np.float32), np.zeros((3, 4), np.float32)
    >>> loss = functional.linear_cross_entropy(x, weight, np.array([0, 3]))
    >>> round(loss.item(), 4)
    1.3863
    """
    if isinstance(class_weight, Tensor):
        class_weight = class_weight.data
    return _LinearCrossEntropy.apply(
        x,
        weight,
        bias,
        target,
        class_weight,
        label_smoothing=label_smoothing,
        ignore_index=ignore_index,
        reduction=reduction,
        chunk_rows=chunk_rows,
    )
