"""Networks as estimators of scikit-learn: for pipelines, grid searches and scores.

from tilewright.interop.sklearn import NeuralClassifier

make_pipeline(StandardScaler(), NeuralClassifier(hidden=(64, 64)))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilewright import nn, optim, random
from tilewright.autograd import no_grad
from tilewright.data import ArrayDataset, DataLoader
from tilewright.extras import require
from tilewright.kernels import devices
from tilewright.nn.module import device_of
from tilewright.train import History, Trainer
from tilewright.train.evaluating import evaluating

require("sklearn", extra="sklearn")

from sklearn.base import (  # noqa: E402
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
)
from sklearn.utils import check_random_state  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: E402

__all__ = ["NeuralClassifier", "NeuralRegressor"]

Array = NDArray[Any]
# From the inputs of a sample and the number of outputs to a network.
Build = Callable[[int, int], nn.Module]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}
_PREDICTION_BATCH = 256


class _NeuralEstimator(BaseEstimator):  # type: ignore[misc]
    """What the two estimators have in common: parameters, training, outputs."""

    network_: nn.Module
    history_: History
    n_iter_: int
    n_features_in_: int

    def __init__(
        self,
        network: Build | None = None,
        *,
        hidden: Sequence[int] = (100,),
        activation: str = "relu",
        input_shape: Sequence[int] | None = None,
        epochs: int = 100,
        batch_size: int = 32,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        random_state: Any = None,
        verbose: bool = False,
        device: str | None = None,
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.activation = activation
        self.input_shape = input_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.random_state = random_state
        self.verbose = verbose
        self.device = device

    def _train(self, X: Array, y: Array, outputs: int, loss: str) -> None:
        """Build a network and train it, from the estimator's own random numbers."""
        self._check_parameters()
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        kept = random.get_state()
        try:
            random.manual_seed(seed)
            self.network_ = self._build(X.shape[1], outputs)
            optimizer = optim.AdamW(
                self.network_.parameters(),
                lr=self.lr,
                weight_decay=self.weight_decay,
            )
            trainer = Trainer(
                self.network_, optimizer, loss, metrics=(), device=self.device
            )
            loader = DataLoader(
                ArrayDataset(self._shaped(X), y),
                batch_size=min(self.batch_size, len(X)),
                shuffle=True,
                seed=seed,
            )
            self.history_ = trainer.fit(loader, self.epochs, verbose=self.verbose)
        finally:
            random.set_state(kept)
        self.n_iter_ = self.history_.epochs

    def _check_parameters(self) -> None:
        name = type(self).__name__
        for key in ("epochs", "batch_size"):
            value = getattr(self, key)
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name}: {key} must be an int >= 1, got {value!r}")
        for key in ("lr", "weight_decay"):
            value = getattr(self, key)
            if not isinstance(value, Real) or not 0 <= float(value) < float("inf"):
                raise ValueError(f"{name}: {key} must be a number >= 0, got {value!r}")
        if self.activation not in _ACTIVATIONS:
            raise ValueError(
                f"{name}: activation must be one of {', '.join(_ACTIVATIONS)}, got "
                f"{self.activation!r}"
            )

    def _build(self, features: int, outputs: int) -> nn.Module:
        if self.network is not None:
            network = self.network(features, outputs)
            if not isinstance(network, nn.Module):
                raise TypeError(
                    f"{type(self).__name__}: network must return a Module, got "
                    f"{type(network).__name__}"
                )
            return network
        layers: list[nn.Module] = []
        for size in self.hidden:
            layers += [nn.Linear(features, int(size)), _ACTIVATIONS[self.activation]()]
            features = int(size)
        return nn.Sequential(*layers, nn.Linear(features, outputs))

    def _shaped(self, X: Array) -> Array:
        """Rows in the shape that the network takes."""
        if self.input_shape is None:
            return X
        shape = tuple(self.input_shape)
        if int(np.prod(shape)) != X.shape[1]:
            raise ValueError(
                f"{type(self).__name__}: input_shape {shape} has {int(np.prod(shape))} "
                f"elements but X has {X.shape[1]} features"
            )
        return X.reshape(len(X), *shape)

    def _outputs(self, X: ArrayLike) -> Array:
        """What the network returns for rows that were not seen before."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float32, reset=False)
        # Batches of one size: the last one is filled up, so that what comes out for a
        # row is the same bits whatever other rows are there.
        lacking = -len(rows) % _PREDICTION_BATCH
        filled = np.concatenate([rows, np.zeros((lacking, rows.shape[1]), np.float32)])
        device = device_of(self.network_)
        with no_grad(), evaluating(self.network_):
            outputs = [
                self.network_(devices.moved(self._shaped(batch), device)).data
                for batch in filled.reshape(-1, _PREDICTION_BATCH, rows.shape[1])
            ]
        return np.concatenate(list(map(devices.to_host, outputs)))[: len(rows)]


class NeuralClassifier(ClassifierMixin, _NeuralEstimator):  # type: ignore[misc]
    """A network as a classifier, trained by AdamW on cross-entropy.

    Inputs are taken as they are: put a ``StandardScaler`` in front of it.

    Parameters
    ----------
    network : callable, optional
        From the number of features and of classes to a Module that returns logits,
        such as ``lambda features, classes: mnist_cnn(classes)``. By default a
        perceptron of `hidden` layers.
    hidden : sequence of int, default (100,)
        Sizes of the perceptron's hidden layers.
    activation : {"relu", "tanh", "sigmoid", "gelu"}, default "relu"
        Of the perceptron.
    input_shape : sequence of int, optional
        Shape that each row of X is brought to, such as ``(28, 28, 1)``.
    epochs : int, default 100
    batch_size : int, default 32
    lr : float, default 1e-3
    weight_decay : float, default 0
    random_state : int, RandomState or None, default None
        Seed of the initial weights and of the order of the samples.
    verbose : bool, default False
        Report each epoch.
    device : str, optional
        Where the network is trained and stays: ``"cuda"``; by default the CPU.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
    network_ : Module
    history_ : History
        Loss of each epoch.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int

    Raises
    ------
    ValueError, TypeError
        On fitting, if a parameter or the data cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.interop.sklearn import NeuralClassifier
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = np.array(["no", "yes", "yes", "no"])
    >>> model = NeuralClassifier(hidden=(16,), epochs=500, lr=0.02, random_state=0)
    >>> model.fit(X, y).predict(X).tolist()
    ['no', 'yes', 'yes', 'no']
    """

    classes_: Array

    def fit(self, X: ArrayLike, y: ArrayLike) -> NeuralClassifier:
        """Train a new network.

        Parameters
        ----------
        X : array_like, shape (N, F)
        y : array_like, shape (N,)
            Classes of any type.

        Returns
        -------
        NeuralClassifier
            The estimator itself.
        """
        rows, targets = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(targets)
        self.classes_, numbers = np.unique(targets, return_inverse=True)
        labels = numbers.reshape(-1).astype(np.int64)
        self._train(rows, labels, len(self.classes_), "cross_entropy")
        return self

    def decision_function(self, X: ArrayLike) -> Array:
        """Logits, shape (N, C); of the second class alone, (N,), where there are two.

        Parameters
        ----------
        X : array_like, shape (N, F)
        """
        logits = self._outputs(X)
        if len(self.classes_) == 2:
            margin: Array = logits[:, 1] - logits[:, 0]
            return margin
        return logits

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes, shape (N, C).

        Parameters
        ----------
        X : array_like, shape (N, F)
        """
        logits = self._outputs(X).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        probabilities: Array = np.exp(logits)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: ArrayLike) -> Array:
        """Classes, shape (N,).

        Parameters
        ----------
        X : array_like, shape (N, F)
        """
        best = self._outputs(X).argmax(axis=1)
        predicted: Array = self.classes_[best]
        return predicted


class NeuralRegressor(RegressorMixin, _NeuralEstimator):  # type: ignore[misc]
    """A network as a regressor, trained by AdamW on the squared error.

    Inputs are taken as they are: put a ``StandardScaler`` in front of it.

    Parameters
    ----------
    network : callable, optional
        From the number of features and of targets to a Module. By default a
        perceptron of `hidden` layers.
    hidden, activation, input_shape, epochs, batch_size, lr, weight_decay
        As for `NeuralClassifier`.
    random_state, verbose
        As for `NeuralClassifier`.

    Attributes
    ----------
    network_ : Module
    history_ : History
        Loss of each epoch.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int

    Raises
    ------
    ValueError, TypeError
        On fitting, if a parameter or the data cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.interop.sklearn import NeuralRegressor
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> model = NeuralRegressor(epochs=200, lr=0.01, random_state=0)
    >>> model.fit(X, np.abs(X[:, 0])).score(X, np.abs(X[:, 0])) > 0.95
    True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> NeuralRegressor:
        """Train a new network.

        Parameters
        ----------
        X : array_like, shape (N, F)
        y : array_like, shape (N,) or (N, T)

        Returns
        -------
        NeuralRegressor
            The estimator itself.
        """
        rows, targets = validate_data(
            self, X, y, dtype=np.float32, multi_output=True, y_numeric=True
        )
        targets = np.asarray(targets, np.float32)
        self._single = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self._train(rows, targets, targets.shape[1], "mse_loss")
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Predictions in float64, shape (N,) or (N, T) as in fitting.

        Parameters
        ----------
        X : array_like, shape (N, F)
        """
        outputs = self._outputs(X).astype(np.float64)
        return outputs[:, 0] if self._single else outputs

    def __sklearn_tags__(self) -> Any:
        """Say that several targets are possible."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
