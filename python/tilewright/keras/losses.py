"""Losses under their Keras names.

A model whose last layer is a softmax or a sigmoid is trained on what goes into it:
the cross-entropy of both together is one stable kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.autograd import Tensor
from tilewright.keras.naming import resolve, snake_case
from tilewright.kernels import devices
from tilewright.nn import functional

Array = NDArray[Any]
# Keras keeps probabilities this far from 0 and 1.
_EPSILON = 1e-7
_REDUCTIONS = ("sum_over_batch_size", "mean", "auto", "sum", "none", None)


class Loss:
    """Base of losses; one of one's own defines `call`.

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "sum", "none"}
        What becomes of the values of the samples: their mean, their sum, or nothing
        where the loss is called by hand.
    name : str, optional

    Raises
    ------
    ValueError
        If there is no such reduction.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import keras
    >>> class Cubes(keras.losses.Loss):
    ...     def call(self, y_true, y_pred):
    ...         return (abs(y_true - y_pred) ** 3).mean(axis=-1)
    >>> Cubes()(np.array([[0.0], [2.0]]), np.array([[1.0], [2.0]])).item()
    0.5
    """

    def __init__(
        self, reduction: str | None = "sum_over_batch_size", name: str | None = None
    ) -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction must be 'sum_over_batch_size', "
                f"'sum' or 'none', got {reduction!r}"
            )
        self.reduction = reduction
        self.name = name or snake_case(type(self).__name__)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        """Losses of the samples, as a tensor (N,) or (N, ...)."""
        raise NotImplementedError(f"{type(self).__name__}: call is not defined")

    @property
    def replays(self) -> bool:
        """Whether it runs code of this package alone."""
        return type(self).__module__ == __name__

    def cuts(self, head: nn.Module | None) -> bool:
        """Whether it is a loss of what goes into the activation at the end."""
        return False

    def targets(self, y: Any) -> Array:
        """Targets in the form in which a model is trained on them."""
        return np.asarray(y, np.float32)

    def values(self, outputs: Tensor, targets: Array, cut: bool, reduction: str) -> Any:
        """Losses of the elements, or their mean.

        Parameters
        ----------
        outputs : Tensor
        targets : ndarray
        cut : bool
            Whether the outputs are those before the last activation.
        reduction : {"none", "mean"}
        """
        value = self.call(Tensor(targets), outputs)
        return value if reduction == "none" or not value.ndim else value.mean()

    def total(
        self, outputs: Tensor, targets: Array, weights: Array | None, cut: bool = False
    ) -> Tensor:
        """The loss of a batch.

        Parameters
        ----------
        outputs : Tensor
        targets : ndarray
            As `targets` returns them.
        weights : ndarray, shape (N,) or (N, ...), optional
            Of the samples, or of their elements.
        cut : bool, default False
            As for `values`.

        Returns
        -------
        Tensor, shape ()
        """
        if weights is None:
            mean = self.values(outputs, targets, cut, "mean")
        else:
            mean = _weighted(
                self.name, self.values(outputs, targets, cut, "none"), weights
            ).mean()
        if self.reduction != "sum":
            return mean  # type: ignore[no-any-return]
        # Of each sample Keras adds the mean over the last axis.
        last = outputs.shape[-1] if outputs.ndim > 1 else 1
        return mean * (outputs.size // max(last, 1))  # type: ignore[no-any-return]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss of predictions.

        Parameters
        ----------
        y_true, y_pred : array_like or Tensor
        sample_weight : array_like, optional
            What the losses of the samples are multiplied by.

        Returns
        -------
        Tensor, shape () or, with the reduction "none", (N, ...)
        """
        if not isinstance(y_pred, Tensor):
            y_pred = Tensor(np.asarray(y_pred, np.float32))
        given = y_true.data if isinstance(y_true, Tensor) else y_true
        targets = devices.moved(self.targets(devices.to_host(given)), y_pred.device)
        weights = None
        if sample_weight is not None:
            weights = np.asarray(devices.to_host(sample_weight), np.float32)
            weights = devices.moved(weights, y_pred.device)
        if self.reduction not in ("none", None):
            return self.total(y_pred, targets, weights)
        values = self.values(y_pred, targets, False, "none")
        if values.shape == y_pred.shape and values.ndim > 1:
            values = values.mean(axis=-1)
        if weights is not None:
            values = _weighted(self.name, values, weights)
        return values  # type: ignore[no-any-return]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same again."""
        return dict(vars(self))


def _weighted(name: str, values: Tensor, weights: Array) -> Tensor:
    """Losses times weights of the samples, or of some more of the axes."""
    shape = weights.shape
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    if shape != values.shape[: len(shape)]:
        raise ValueError(
            f"{name}: sample_weight of shape {weights.shape} does not fit losses of "
            f"shape {values.shape}"
        )
    return values * Tensor(weights.reshape(shape + (1,) * (values.ndim - len(shape))))


class _Categorical(Loss):
    """What both kinds of targets have in common."""

    label_smoothing = 0.0

    def __init__(self, from_logits: bool = False, **general: Any) -> None:
        super().__init__(**general)
        self.from_logits = from_logits

    def cuts(self, head: nn.Module | None) -> bool:
        """The kernel takes what goes into a softmax."""
        return isinstance(head, nn.Softmax) and not self.from_logits

    def values(self, outputs: Tensor, targets: Array, cut: bool, reduction: str) -> Any:
        """The cross-entropy kernel on logits, wherever there are some."""
        scores = outputs if cut or self.from_logits else _log(outputs)
        return functional.cross_entropy(
            scores, targets, label_smoothing=self.label_smoothing, reduction=reduction
        )


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

    def cuts(self, head: nn.Module | None) -> bool:
        """It is exact on what goes into a sigmoid."""
        return isinstance(head, nn.Sigmoid) and not self.from_logits

    def values(self, outputs: Tensor, targets: Array, cut: bool, reduction: str) -> Any:
        """On logits, wherever there are some."""
        wanted = Tensor(targets.reshape(outputs.shape))
        if smoothing := self.label_smoothing:
            wanted = wanted * (1 - smoothing) + smoothing / 2
        if cut or self.from_logits:
            return functional.binary_cross_entropy_with_logits(
                outputs, wanted, reduction
            )
        limited = outputs.clip(_EPSILON, 1 - _EPSILON)
        return functional.binary_cross_entropy(limited, wanted, reduction)


class _Regression(Loss):
    """Losses of differences, each a function of ours."""

    _function: Callable[..., Tensor]

    def values(self, outputs: Tensor, targets: Array, cut: bool, reduction: str) -> Any:
        """Targets may lack the outputs' last axis of 1, or have one more."""
        given = targets.reshape(outputs.shape)
        return type(self)._function(outputs, given, reduction=reduction)


class MeanSquaredError(_Regression):
    """Mean of the squared differences."""

    _function = functional.mse_loss


class MeanAbsoluteError(_Regression):
    """Mean of the absolute differences."""

    _function = functional.l1_loss


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

    def values(self, outputs: Tensor, targets: Array, cut: bool, reduction: str) -> Any:
        """By our function, with the delta."""
        given = targets.reshape(outputs.shape)
        return functional.huber_loss(outputs, given, reduction, delta=self.delta)


class FunctionLoss(Loss):
    """A function of the user's own, of (y_true, y_pred)."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__(name=getattr(function, "__name__", "loss"))
        self.function = function

    @property
    def replays(self) -> bool:
        """The function may do whatever it likes."""
        return False

    def call(self, y_true: Tensor, y_pred: Tensor) -> Any:
        """What the function returns."""
        return self.function(y_true, y_pred)


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
