"""Losses under their Keras names.

A model whose last layer is a softmax or a sigmoid is trained on what goes into it:
the cross-entropy of both together is one stable kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor
from tilewright.keras.naming import resolve, snake_case
from tilewright.nn import functional

Array = NDArray[Any]
LossFunction = Callable[[Tensor, Array], Tensor]
# Keras keeps probabilities this far from 0 and 1.
_EPSILON = 1e-7


@dataclass
class Bound:
    """A loss for one model: what it is trained by.

    Attributes
    ----------
    native : str or callable
        What `tw.Trainer` takes.
    before_head : bool
        Whether it is a loss of what goes into the last activation.
    """

    native: str | LossFunction
    before_head: bool


class Loss:
    """Base of losses."""

    def __init__(
        self, reduction: str = "sum_over_batch_size", name: str | None = None
    ) -> None:
        if reduction not in ("sum_over_batch_size", "mean", "auto"):
            raise ValueError(
                f"{type(self).__name__}: reduction must be 'sum_over_batch_size', got "
                f"{reduction!r}"
            )
        self.name = name or snake_case(type(self).__name__)

    def bind(self, head: nn.Module | None, class_weight: Array | None) -> Bound:
        """The loss for a model that ends in an activation, or in None.

        Parameters
        ----------
        head : Module or None
        class_weight : ndarray, shape (C,), optional
        """
        raise NotImplementedError

    def targets(self, y: Any) -> Array:
        """Targets as the bound loss takes them."""
        return np.asarray(y)

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of predictions, as a tensor without axes."""
        if not isinstance(y_pred, Tensor):
            y_pred = Tensor(np.asarray(y_pred, np.float32))
        bound = self.bind(None, None)
        targets = self.targets(y_true.data if isinstance(y_true, Tensor) else y_true)
        if isinstance(bound.native, str):
            loss: Tensor = getattr(functional, bound.native)(y_pred, targets)
            return loss
        return bound.native(y_pred, targets)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same again."""
        return dict(vars(self))


class _Categorical(Loss):
    """What both kinds of targets have in common."""

    label_smoothing = 0.0

    def __init__(self, from_logits: bool = False, **general: Any) -> None:
        super().__init__(**general)
        self.from_logits = from_logits

    def bind(self, head: nn.Module | None, class_weight: Array | None) -> Bound:
        """The cross-entropy kernel on logits, wherever there are some."""
        softmax = isinstance(head, nn.Softmax) and not self.from_logits
        logits = softmax or self.from_logits
        smoothing = self.label_smoothing
        if logits and class_weight is None and not smoothing:
            return Bound("cross_entropy", softmax)

        def loss(outputs: Tensor, targets: Array) -> Tensor:
            scores = outputs if logits else _log(outputs)
            total = functional.cross_entropy(
                scores,
                targets,
                class_weight,
                label_smoothing=smoothing,
                reduction="sum",
            )
            return total * (1 / max(len(targets), 1))

        return Bound(loss, softmax)


class SparseCategoricalCrossentropy(_Categorical):
    """Cross-entropy of class ids.

    Parameters
    ----------
    from_logits : bool, default False
        Whether the model ends without a softmax.
    name : str, optional

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.keras import losses
    >>> loss = losses.SparseCategoricalCrossentropy()
    >>> round(loss(np.array([1]), np.array([[0.25, 0.75]])).item(), 4)
    0.2877
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(from_logits, reduction=reduction, name=name)
        if ignore_class is not None:
            raise ValueError("SparseCategoricalCrossentropy: ignore_class must be None")

    def targets(self, y: Any) -> Array:
        """Class ids (N,) as int64."""
        return labels(y)


class CategoricalCrossentropy(_Categorical):
    """Cross-entropy of probabilities, such as rows of zeros with a one.

    Parameters
    ----------
    from_logits : bool, default False
        Whether the model ends without a softmax.
    label_smoothing : float, default 0.0
    name : str, optional
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(from_logits, reduction=reduction, name=name)
        if axis != -1:
            raise ValueError(f"CategoricalCrossentropy: axis must be -1, got {axis}")
        self.label_smoothing = label_smoothing

    def targets(self, y: Any) -> Array:
        """Class ids where each row is of zeros with a one, else the probabilities."""
        array = np.asarray(y)
        if array.ndim < 2:
            raise ValueError(
                "categorical_crossentropy: targets must be rows of probabilities, got "
                f"shape {array.shape}; for class ids there is "
                "sparse_categorical_crossentropy"
            )
        if ((array == 0) | (array == 1)).all() and (array.sum(axis=-1) == 1).all():
            return labels(array.argmax(axis=-1))
        return array.astype(np.float32)


class BinaryCrossentropy(Loss):
    """Cross-entropy of yes and no.

    Parameters
    ----------
    from_logits : bool, default False
        Whether the model ends without a sigmoid.
    label_smoothing : float, default 0.0
    name : str, optional
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def bind(self, head: nn.Module | None, class_weight: Array | None) -> Bound:
        """On logits, wherever there are some."""
        sigmoid = isinstance(head, nn.Sigmoid) and not self.from_logits
        logits, smoothing = sigmoid or self.from_logits, self.label_smoothing

        def loss(outputs: Tensor, targets: Array) -> Tensor:
            given = targets.reshape(outputs.shape)
            wanted = given * (1 - smoothing) + smoothing / 2 if smoothing else given
            reduction = "mean" if class_weight is None else "none"
            if logits:
                value = functional.binary_cross_entropy_with_logits(
                    outputs, wanted, reduction
                )
            else:
                limited = outputs.clip(_EPSILON, 1 - _EPSILON)
                value = functional.binary_cross_entropy(limited, wanted, reduction)
            if class_weight is None:
                return value
            return (value * class_weight[given.astype(np.int64)]).mean()

        return Bound(loss, sigmoid)

    def targets(self, y: Any) -> Array:
        """As float32."""
        return np.asarray(y, np.float32)


class _Regression(Loss):
    def bind(self, head: nn.Module | None, class_weight: Array | None) -> Bound:
        """A loss of the outputs themselves."""
        if class_weight is not None:
            raise ValueError(f"{self.name}: class_weight is for cross-entropies")

        def loss(outputs: Tensor, targets: Array) -> Tensor:
            return self.value(outputs, targets.reshape(outputs.shape))

        return Bound(loss, False)

    def value(self, outputs: Tensor, targets: Array) -> Tensor:
        """The loss of targets that have the outputs' shape."""
        raise NotImplementedError

    def targets(self, y: Any) -> Array:
        """As float32."""
        return np.asarray(y, np.float32)


class MeanSquaredError(_Regression):
    """Mean of the squared differences."""

    def value(self, outputs: Tensor, targets: Array) -> Tensor:
        """The loss."""
        return functional.mse_loss(outputs, targets)


class MeanAbsoluteError(_Regression):
    """Mean of the absolute differences."""

    def value(self, outputs: Tensor, targets: Array) -> Tensor:
        """The loss."""
        return functional.l1_loss(outputs, targets)


class Huber(_Regression):
    """Squares of small differences, lines beyond `delta`.

    Parameters
    ----------
    delta : float, default 1.0
    name : str, optional
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.delta = delta

    def value(self, outputs: Tensor, targets: Array) -> Tensor:
        """The loss."""
        return functional.huber_loss(outputs, targets, delta=self.delta)


class FunctionLoss(Loss):
    """A function of the user's own, of (y_true, y_pred)."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(name=getattr(function, "__name__", "loss"))
        self.function = function

    def bind(self, head: nn.Module | None, class_weight: Array | None) -> Bound:
        """The mean of what it returns."""
        if class_weight is not None:
            raise ValueError(f"{self.name}: class_weight is for cross-entropies")

        def loss(outputs: Tensor, targets: Array) -> Tensor:
            value = self.function(Tensor(targets), outputs)
            return value if value.ndim == 0 else value.mean()  # type: ignore[no-any-return]

        return Bound(loss, False)


def labels(y: Any) -> Array:
    """Class ids (N,) or (N, 1) as int64 (N,).

    Raises
    ------
    ValueError
        If they have another shape.
    """
    array = np.asarray(y)
    if array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.dtype.kind not in "iu" and not (array == np.rint(array)).all():
        raise ValueError("class ids must be whole numbers")
    return array.astype(np.int64)


def _log(outputs: Tensor) -> Tensor:
    """Logarithms of probabilities that are made to sum to 1."""
    shares = outputs / outputs.sum(axis=-1, keepdims=True)
    return shares.clip(_EPSILON, 1 - _EPSILON).log()


_KNOWN: dict[str, Callable[[], Loss]] = {
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "huber": Huber,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(loss: Any) -> Loss:
    """A loss by its name, a function of the user's own, or a Loss itself.

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is none of these.
    """
    found = resolve("loss", loss, _KNOWN)
    if isinstance(found, type) and issubclass(found, Loss):
        return found()
    if not isinstance(found, Loss):
        if not callable(found):
            raise TypeError(
                f"a loss must be a name or a function, got {type(found).__name__}"
            )
        return FunctionLoss(found)
    return found
