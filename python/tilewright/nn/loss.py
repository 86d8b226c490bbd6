"""Losses as modules, with their options kept."""

from __future__ import annotations

from tilewright.autograd import Tensor
from tilewright.kernels import checks
from tilewright.nn import functional
from tilewright.nn.module import Module
from tilewright.nn.types import TensorLike


class _Loss(Module):
    """A loss whose only option is the reduction."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = _checked(self, reduction)


def _checked(loss: Module, reduction: str) -> str:
    choices = ("mean", "sum", "none")
    return checks.choice(type(loss).__name__, "reduction", reduction, choices)


class CrossEntropyLoss(Module):
    """Cross-entropy of ``softmax(input)`` and class numbers or probabilities.

    Parameters
    ----------
    class_weight : Tensor or ndarray, shape (C,), optional
    label_smoothing : float, default 0.0
    ignore_index : int, optional
    reduction : {"mean", "sum", "none"}, default "mean"
        All as in :func:`tilewright.nn.functional.cross_entropy`.

    Raises
    ------
    ValueError
        If label_smoothing is not in ``[0, 1]`` or there is no such reduction.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> loss = nn.CrossEntropyLoss()(np.zeros((1, 4), np.float32), np.array([2]))
    >>> round(loss.item(), 4)
    1.3863
    """

    def __init__(
        self,
        class_weight: TensorLike | None = None,
        *,
        label_smoothing: float = 0.0,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        self.class_weight = class_weight
        self.label_smoothing = checks.number(
            "CrossEntropyLoss", "label_smoothing", label_smoothing, 0.0, 1.0
        )
        self.ignore_index = ignore_index
        self.reduction = _checked(self, reduction)

    def forward(self, input: TensorLike, target: TensorLike) -> Tensor:
        """Logits (..., C), and class numbers (...) or probabilities, to the loss."""
        return functional.cross_entropy(
            input,
            target,
            self.class_weight,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class MSELoss(_Loss):
    """Squares of the differences.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"

    Raises
    ------
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> x = np.array([1, 3], np.float32)
    >>> nn.MSELoss()(x, np.zeros(2, np.float32)).item()
    5.0
    """

    def forward(self, x: TensorLike, target: TensorLike) -> Tensor:
        """Outputs and targets of one shape to the loss."""
        return functional.mse_loss(x, target, self.reduction)


class L1Loss(_Loss):
    """Absolute differences.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"

    Raises
    ------
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> x = np.array([1, -3], np.float32)
    >>> nn.L1Loss()(x, np.zeros(2, np.float32)).item()
    2.0
    """

    def forward(self, x: TensorLike, target: TensorLike) -> Tensor:
        """Outputs and targets of one shape to the loss."""
        return functional.l1_loss(x, target, self.reduction)


class HuberLoss(_Loss):
    """Half the squares of small differences, and lines where they exceed `delta`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"
    delta : float, default 1.0

    Raises
    ------
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> x = np.array([1, 4], np.float32)
    >>> nn.HuberLoss()(x, np.zeros(2, np.float32)).item()
    2.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = checks.number("HuberLoss", "delta", delta)

    def forward(self, x: TensorLike, target: TensorLike) -> Tensor:
        """Outputs and targets of one shape to the loss."""
        return functional.huber_loss(x, target, self.reduction, self.delta)


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"

    Raises
    ------
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> x = np.array([0.5], np.float32)
    >>> round(nn.BCELoss()(x, np.array([1])).item(), 4)
    0.6931
    """

    def forward(self, x: TensorLike, target: TensorLike) -> Tensor:
        """Probabilities and targets of one shape to the loss."""
        return functional.binary_cross_entropy(x, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of logits, exact at any of them.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, default "mean"

    Raises
    ------
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import nn
    >>> x = np.array([-1000], np.float32)
    >>> nn.BCEWithLogitsLoss()(x, np.array([1])).item()
    1000.0
    """

    def forward(self, x: TensorLike, target: TensorLike) -> Tensor:
        """Logits and targets of one shape to the loss."""
        return functional.binary_cross_entropy_with_logits(x, target, self.reduction)
