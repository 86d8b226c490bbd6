"""Losses between outputs and targets of one shape, with their gradients.

References: P. J. Huber, "Robust Estimation of a Location Parameter", Annals of
Mathematical Statistics 35, 1964; C. M. Bishop, "Pattern Recognition and Machine
Learning", 2006, section 4.3 (the cross-entropies).
"""

from __future__ import annotations

import numpy as np

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import Array, FloatArray
from tilewright.kernels.device_arrays import on_device

LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)
REDUCTIONS = ("mean", "sum", "none")


def elementwise_loss(
    x: FloatArray,
    target: FloatArray,
    kind: str,
    *,
    reduction: str = "mean",
    delta: float = 1.0,
) -> tuple[Array, Array]:
    """Return a loss of elements, and its gradient with respect to x.

    With d = x - target an element's loss is: of ``"squared_error"`` ``d**2``; of
    ``"absolute_error"`` ``abs(d)``, with the slope 0 at 0; of ``"huber"``
    ``d**2 / 2`` where ``abs(d) <= delta``, else ``delta * (abs(d) - delta / 2)``; of
    ``"binary_cross_entropy"`` ``-(target log x + (1 - target) log(1 - x))``, no
    logarithm below -100; of ``"binary_cross_entropy_with_logits"`` the same of
    sigmoid(x), exact at any x.

    Parameters
    ----------
    x
        Of any shape. For ``"binary_cross_entropy"`` in ``[0, 1]``; CuPy's arrays are
        not looked at, which would wait for the GPU: another number's loss is NaN.
    target
        Of x's shape and dtype.
    kind
        One of the above.
    reduction
        ``"mean"`` over all elements, ``"sum"`` or ``"none"``.
    delta
        Of ``"huber"``, above 0.

    Returns
    -------
    loss
        0-dimensional, or of x's shape with ``reduction="none"``. The mean of nothing
        is NaN.
    dx
        Of x's shape: the gradient of the loss; with ``"none"``, of each element's own.

    Raises
    ------
    ValueError
        If the shapes differ, there is no such loss or reduction, delta is not above
        0, or x are to be probabilities and are not.
    TypeError
        If x is not float32 (float64 on the numpy backend), or target not like it.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([0.5, 3], np.float32)
    >>> elementwise_loss(x, np.zeros(2, np.float32), "huber", reduction="sum")
    (array(2.625, dtype=float32), array([0.5, 1. ], dtype=float32))
    """
    op = "elementwise_loss"
    x = checks.floating(op, "x", x, None)
    target = checks.like(op, "target", target, x.shape, "x", x)
    if kind not in LOSSES:
        checks.choice(op, "kind", kind, LOSSES)
    if reduction not in REDUCTIONS:
        checks.choice(op, "reduction", reduction, REDUCTIONS)
    if not checks.number(op, "delta", delta):
        raise ValueError(f"{op}: delta must be above 0, got {delta}")
    backend = dispatch.for_array(op, x)
    loss, dx = backend.elementwise_loss(x, target, kind, reduction, float(delta))
    # What is no probability has the loss NaN: a look at x is worth it then alone.
    if kind == "binary_cross_entropy" and not on_device(x) and np.isnan(loss).any():
        _expect_probabilities(kind, x)
    return loss, dx


def _expect_probabilities(kind: str, x: Array) -> None:
    if not x.size:
        return
    least, most = np.fmin.reduce(x, None), np.fmax.reduce(x, None)
    if least < 0 or most > 1:
        raise ValueError(
            f"{kind}: x must be probabilities in [0, 1], got values in "
            f"[{least:g}, {most:g}]; for logits there is {kind}_with_logits"
        )
