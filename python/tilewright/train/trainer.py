"""The training loop: fit, evaluate, predict."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilewright.autograd import Tensor, no_grad
from tilewright.kernels import devices
from tilewright.kernels.device_arrays import on_device
from tilewright.nn import Module, penalty
from tilewright.nn.fusion import is_own
from tilewright.nn.module import Structure, device_of
from tilewright.nn.regularization import regularized
from tilewright.optim import Optimizer
from tilewright.optim.clipping import Clipping
from tilewright.train.callbacks import Callback, Checkpoint, Progress
from tilewright.train.compiled_step import CompiledStep
from tilewright.train.evaluating import evaluating
from tilewright.train.history import History
from tilewright.train.losses import (
    LossFunction,
    arrays_of,
    resolve_loss,
    value_of,
    with_extras,
)
from tilewright.train.metrics import (
    Metric,
    MetricFunction,
    RunningMeans,
    resolve_metrics,
)
from tilewright.train.run import Data, Loader, Run, as_loader, batches_on
from tilewright.train.step_plan import flat

_EVALUATION_BATCH = 256


class Trainer:
    """Trains a model and evaluates it.

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Over the model's parameters.
    loss : str or callable, default "cross_entropy"
        Name of a loss in `nn.functional`, or a function of (outputs, targets) that
        returns the mean over the batch as a scalar Tensor; or a tuple of it and of
        more tensors, which metrics see after the outputs.
    metrics : sequence of str or callable, default ("accuracy",)
        Names such as ``"accuracy"``, ``"f1"``, ``"auc"``; a `train.metrics.Metric`; or
        functions of (outputs, targets), both NumPy arrays, that return one value a
        sample, shape (N,), or the mean over the batch.
    device : str, optional
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"``, where the model is moved to. By default
        it stays where it is. Batches go where the model is.

    Attributes
    ----------
    history : History
        Of the latest run, also while it goes on and after an exception.

    Raises
    ------
    ValueError
        If a loss or a metric is unknown, or it is the name of no device.
    TypeError
        If a loss or a metric is neither a name nor callable.
    BackendUnavailableError
        If the device is not available here.

    Examples
    --------
    >>> import numpy as np
    >>> import tilewright as tw
    >>> tw.manual_seed(0)
    >>> x = np.eye(4, dtype=np.float32).repeat(8, axis=0)
    >>> y = np.arange(4).repeat(8)
    >>> model = tw.nn.Linear(4, 4)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters(), lr=1.0))
    >>> history = trainer.fit((x, y), epochs=20, batch_size=8, verbose=False)
    >>> history.history["accuracy"][-1]
    1.0
    >>> trainer.predict(x).shape
    (32, 4)
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        loss: str | LossFunction = "cross_entropy",
        metrics: Sequence[str | MetricFunction | Metric] = ("accuracy",),
        device: str | None = None,
    ) -> None:
        function = self._penalized(resolve_loss("Trainer", loss))
        if device is not None:
            model.to(devices.checked("Trainer", device))
        self.model = model
        self.optimizer = optimizer
        self.history = History()
        self._loss = function
        self._step = CompiledStep(model, function, optimizer)
        # Code of the user's is run at each step, whatever it does; ours need not be.
        self._own_loss = isinstance(loss, str)
        self._compiles = (0, False)
        self.metrics = resolve_metrics(metrics)

    def fit(
        self,
        data: Data,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Data | None = None,
        shuffle: bool = True,
        *,
        callbacks: Sequence[Callback] = (),
        checkpoint_dir: str | os.PathLike[str] | None = None,
        resume: bool = False,
        verbose: bool = True,
        initial_epoch: int = 0,
        validation_freq: int | Container[int] = 1,
    ) -> History:
        """Train for a number of epochs.

        The first Ctrl-C ends the run after the step that is under way: the history,
        the weights and, where a folder for it was given, a checkpoint are kept.

        Parameters
        ----------
        data : ArrayDataset, DataLoader, BatchStream, or (x, y)
            A loader or a stream brings its own batch size and shuffling; its batches
            may have tuples of arrays, for a model of several inputs or a loss of
            several targets.
        epochs : int, default 1
            Passes over the data; with `resume`, those before are counted too.
        batch_size : int, default 32
            The length of the data makes it full-batch gradient descent.
        validation_data : ArrayDataset, DataLoader, BatchStream, or (x, y), optional
            Evaluated after each epoch.
        shuffle : bool, default True
        callbacks : sequence of Callback, optional
            Called at each turn of the run; see `tilewright.train.callbacks`.
        checkpoint_dir : path, optional
            Short for a `callbacks.Checkpoint` with this folder: it is written after
            each epoch and when interrupted.
        resume : bool, default False
            Continue from the latest checkpoint that is not damaged, with the same
            bits as a run that was never stopped.
        verbose : bool, default True
            Report progress on standard output, by `callbacks.Progress`.
        initial_epoch : int, default 0
            Epochs before this run, which `epochs` and reports count too.
        validation_freq : int or container of int, default 1
            Validate after each so many epochs, or after those of these numbers.

        Returns
        -------
        History
            Its `interrupted` says whether Ctrl-C ended the run, `stopped` why a
            callback did.

        Raises
        ------
        ValueError
            If `epochs` is not above `initial_epoch`, `validation_freq` below 1,
            `resume` comes without a place for checkpoints, or the checkpoint does not
            fit the model, the optimizer or the data.
        TypeError
            If `data` is of another type, or something in `callbacks` is none.
        FileNotFoundError
            If there is no checkpoint to resume from.
        ImportError
            If a checkpoint is asked for and safetensors is not installed.
        """
        if epochs < 1:
            raise ValueError(f"fit: epochs must be >= 1, got {epochs}")
        if not 0 <= initial_epoch < epochs:
            raise ValueError(
                f"fit: initial_epoch must be in [0, epochs={epochs}), got "
                f"{initial_epoch}"
            )
        if isinstance(validation_freq, int) and validation_freq < 1:
            raise ValueError(
                f"fit: validation_freq must be >= 1, got {validation_freq}"
            )
        chosen = _checked(callbacks)
        if checkpoint_dir is not None:
            chosen.append(Checkpoint(checkpoint_dir))
        if verbose and not any(isinstance(each, Progress) for each in chosen):
            chosen.append(Progress())
        checkpoints = [each for each in chosen if isinstance(each, Checkpoint)]
        if resume and not checkpoints:
            raise ValueError("fit: resume=True needs checkpoint_dir")
        loader = as_loader("fit", data, batch_size, shuffle)
        validation = None
        if validation_data is not None:
            validation = as_loader("fit", validation_data, _EVALUATION_BATCH, False)
        run = Run(
            self,
            loader,
            validation,
            epochs,
            chosen,
            initial_epoch=initial_epoch,
            validation_freq=validation_freq,
        )
        if resume:
            run.load_state_dict(checkpoints[0].store.load())
        self.history = run.history
        run.execute()
        return run.history

    def evaluate(
        self, data: Data, batch_size: int = _EVALUATION_BATCH
    ) -> dict[str, float]:
        """Loss and metrics over a data set, without training.

        Parameters
        ----------
        data : ArrayDataset, DataLoader, BatchStream, or (x, y)
        batch_size : int, default 256

        Returns
        -------
        dict of str to float
            ``loss``, with the penalties of `nn.regularize`, and the metrics, over
            all samples.
        """
        loader = as_loader("evaluate", data, batch_size, False)
        means = RunningMeans(self.metrics)
        with no_grad(), evaluating(self.model):
            for x, y in self.batches(loader, False):
                self._score(means, x, y)
        return means.result()

    def evaluate_batch(self, x: Any, y: Any) -> dict[str, float]:
        """Loss and metrics of one batch, without training.

        Parameters
        ----------
        x, y : ndarray, shape (N, ...), or tuple of ndarray

        Returns
        -------
        dict of str to float
        """
        means = RunningMeans(self.metrics)
        with no_grad(), evaluating(self.model):
            self._score(means, x, y)
        return means.result()

    def _score(self, means: RunningMeans, x: Any, y: Any) -> None:
        outputs = self.model(self.prepare(x, False))
        loss, outputs = with_extras(self._loss(outputs, y), outputs)
        means.update(value_of(loss), arrays_of(outputs), y)

    def predict(
        self, x: ArrayLike, batch_size: int = _EVALUATION_BATCH
    ) -> NDArray[Any]:
        """The model's outputs.

        Parameters
        ----------
        x : array_like, shape (N, ...)
        batch_size : int, default 256

        Returns
        -------
        ndarray, shape (N, ...)
            What the model returns: logits, where it ends in a linear layer. NumPy's,
            wherever the model is.

        Raises
        ------
        ValueError
            If `batch_size` is below 1 or `x` has no axis over samples.
        """
        if batch_size < 1:
            raise ValueError(f"predict: batch_size must be >= 1, got {batch_size}")
        inputs: Any = x if on_device(x) else np.asarray(x)
        device = device_of(self.model)
        if inputs.ndim == 0:
            raise ValueError("predict: x must have a first axis over the samples")
        outputs: list[NDArray[Any]] = []
        with no_grad(), evaluating(self.model):
            # One (empty) batch for an empty x: the result still has its shape.
            for start in range(0, max(len(inputs), 1), batch_size):
                batch = devices.moved(inputs[start : start + batch_size], device)
                outputs.append(self.model(self.prepare(batch, False)).data)
        return np.concatenate([devices.to_host(each) for each in outputs])

    def set_training(self) -> None:
        """Put the model into training mode, as each epoch does first."""
        self.model.train()

    def batches(self, loader: Loader, training: bool) -> Iterator[tuple[Any, Any]]:
        """The batches of a loader where the model is, whatever device it has itself.

        Parameters
        ----------
        loader : DataLoader or BatchStream
        training : bool
            Whether they are to be trained on.

        Yields
        ------
        x, y : ndarray, shape (N, ...), or tuple of ndarray
        """
        return batches_on(loader, device_of(self.model))

    def prepare(self, x: Any, training: bool) -> Any:
        """What a subclass does to a batch before the model sees it; here nothing.

        Parameters
        ----------
        x : ndarray, shape (N, ...), or tuple of ndarray
        training : bool
            Whether it is to be trained on.

        Returns
        -------
        ndarray, shape (N, ...), or tuple of ndarray
        """
        return x

    def train_batch(self, x: Any, y: Any) -> tuple[float, Any]:
        """One step of training.

        A GPU is not waited for.

        Parameters
        ----------
        x, y : ndarray, shape (N, ...), or tuple of ndarray

        Returns
        -------
        loss : float
            On a GPU a CuPy array without axes.
        outputs : ndarray, shape (N, ...), or tuple of ndarray
            What the model returned, before its weights were changed; the next step
            overwrites it.
        """
        return self.clipped_batch(x, y, ())

    def clipped_batch(
        self, x: Any, y: Any, clippings: tuple[Clipping, ...]
    ) -> tuple[float, Any]:
        """One step of training, with limits on the gradients.

        Parameters
        ----------
        x, y : ndarray, shape (N, ...), or tuple of ndarray
        clippings : tuple of Clipping
            Applied in this order, to the gradients of the model's parameters.

        Returns
        -------
        loss : float
        outputs : ndarray, shape (N, ...), or tuple of ndarray
            As `train_batch` returns them.
        """
        x = self.prepare(x, True)
        self._step.clippings = clippings
        number, compiles = self._compiles
        if number != Structure.number:
            compiles = self._own_loss and all(map(is_own, self.model.modules()))
            self._compiles = Structure.number, compiles
        # Graphs of a GPU have not run on hardware yet: compile_step makes them.
        if compiles and not on_device(flat(x)[0]):
            loss = self._step(x, y)
        else:
            loss = self._step.eager(x, y)
        return value_of(loss), self._step.outputs

    def gradients(self, x: Any, y: Any) -> tuple[Tensor, Any]:
        """Half a step of training: the gradients, without the optimizer's part.

        Parameters
        ----------
        x, y : ndarray, shape (N, ...), or tuple of ndarray

        Returns
        -------
        loss : Tensor, shape ()
        outputs : Tensor, shape (N, ...), or tuple of Tensor
        """
        outputs = self.model(self.prepare(x, True))
        loss, outputs = with_extras(self._loss(outputs, y), outputs)
        self.optimizer.zero_grad()
        loss.backward()
        return loss, outputs

    def _penalized(self, function: LossFunction) -> LossFunction:
        """The loss and the penalties on weights, where there are some."""
        known: tuple[int, bool] = (-1, False)

        def total(outputs: Any, targets: Any) -> Any:
            nonlocal known
            result = function(outputs, targets)
            if known[0] != Structure.number:
                known = Structure.number, any(True for _ in regularized(self.model))
            extra = penalty(self.model) if known[1] else None
            if extra is None:
                return result
            if isinstance(result, tuple):
                return result[0] + extra, *result[1:]
            return result + extra

        return total


def _checked(callbacks: Sequence[Callback]) -> list[Callback]:
    if isinstance(callbacks, Callback):
        callbacks = [callbacks]
    for callback in callbacks:
        if not isinstance(callback, Callback):
            hint = "; write it with ()" if isinstance(callback, type) else ""
            raise TypeError(
                "fit: callbacks must be Callbacks, got "
                f"{getattr(callback, '__name__', type(callback).__name__)}{hint}"
            )
    return list(callbacks)
