"""A linear layer and the cross-entropy of its outputs, without the logits.

With many classes, such as a vocabulary of 32,000 words, the logits and their gradient
are the largest arrays of a training step by far. Here they exist for a chunk of rows
at a time, whose gradients are computed at once: loss and gradients are those of
:func:`~tilewright.kernels.gemm` and
:func:`~tilewright.kernels.softmax_cross_entropy` one after the other.
"""

from __future__ import annotations

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import Array, FloatArray
from tilewright.kernels.device_arrays import on_device
from tilewright.kernels.softmax_cross_entropy import class_labels

REDUCTIONS = ("mean", "sum")
# Numbers in a chunk of logits, unless its rows are given: few enough for a cache, or
# many enough to keep a GPU busy while the gradient of the weight is read and written.
HOST_CHUNK, DEVICE_CHUNK = 2**22, 2**25
CHUNK_ROWS = 64  # at least


def linear_softmax_cross_entropy(
    x: FloatArray,
    weight: FloatArray,
    labels: Array,
    *,
    bias: FloatArray | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    class_weight: FloatArray | None = None,
    reduction: str = "mean",
    chunk_rows: int | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray | None]:
    """Return the cross-entropy of softmax(x @ weight + bias), and its gradients.

    Parameters
    ----------
    x
        ``(N, in)``.
    weight
        ``(in, C)``.
    labels
        ``(N,)`` of int32 or int64, as
        :func:`~tilewright.kernels.softmax_cross_entropy` takes them.
    bias
        ``(C,)``.
    label_smoothing
        In ``[0, 1]``.
    ignore_index
        Rows of this label have no loss, no gradient, and no share in the mean.
    class_weight
        ``(C,)``.
    reduction
        ``"mean"``, weighted like that of the loss, or ``"sum"``.
    chunk_rows
        Rows of x whose logits exist at once. By default as many as make a few million
        logits. The sums over chunks are taken in their order: other chunks are other
        roundings, and the same chunks the same bits.

    Returns
    -------
    loss
        0-dimensional. The mean over no rows is NaN, its gradients 0.
    dx
        ``(N, in)``.
    dweight
        ``(in, C)``.
    dbias
        ``(C,)``, or None without a bias.

    Raises
    ------
    ValueError
        If shapes do not agree or a label or a number is out of range.
    TypeError
        If x is not float32 (float64 on the numpy backend), another array not like it,
        or labels not int32 or int64.

    Examples
    --------
    >>> import numpy as np
    >>> x, weight = np.ones((2, 3), np.float32), np.zeros((3, 4), np.float32)
    >>> loss, dx, dweight, dbias = linear_softmax_cross_entropy(
    ...     x, weight, np.array([0, 3])
    ... )
    >>> round(float(loss), 4), dweight[0]
    (1.3863, array([-0.25,  0.25,  0.25, -0.25], dtype=float32))
    """
    op = "linear_softmax_cross_entropy"
    x = checks.floating(op, "x", x, 2)
    weight = checks.floating(op, "weight", weight, 2)
    checks.same_dtype(op, "weight", weight, "x", x)
    (N, size), (depth, C) = x.shape, weight.shape
    if depth != size:
        raise ValueError(
            f"{op}: x has {size} features but weight expects {depth} "
            f"(x: {x.shape}, weight: {weight.shape})"
        )
    if C < 1:
        raise ValueError(f"{op}: weight has 0 classes (weight: {weight.shape})")
    if bias is not None:
        bias = checks.like(op, "bias", bias, (C,), "weight", weight)
    if ignore_index is not None:
        ignore_index = checks.integer(op, "ignore_index", ignore_index, -(2**63))
    labels = class_labels(op, labels, N, C, ignore_index)
    checks.same_memory(op, "labels", labels, "x", x)
    label_smoothing = checks.number(op, "label_smoothing", label_smoothing, 0.0, 1.0)
    if class_weight is not None:
        class_weight = checks.like(
            op, "class_weight", class_weight, (C,), "weight", weight
        )
    checks.choice(op, "reduction", reduction, REDUCTIONS)
    if chunk_rows is None:
        numbers = DEVICE_CHUNK if on_device(x) else HOST_CHUNK
        chunk_rows = max(CHUNK_ROWS, numbers // C // CHUNK_ROWS * CHUNK_ROWS)
    else:
        chunk_rows = checks.integer(op, "chunk_rows", chunk_rows, 1)
    return dispatch.for_array(op, x).linear_softmax_cross_entropy(
        x, weight, bias, labels, label_smoothing, ignore_index, class_weight,
        reduction, chunk_rows,
    )  # fmt: skip
