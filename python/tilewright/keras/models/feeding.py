"""From whatever `fit`, `evaluate` and `predict` take to batches of our trainer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import random
from tilewright.data import ArrayDataset, BatchStream, DataLoader
from tilewright.keras.models.objective import Target
from tilewright.keras.models.structure import Structure
from tilewright.keras.utils import PyDataset

Array = NDArray[Any]
Arrays = tuple[Array, ...]
Loader = DataLoader | BatchStream


class Samples(ArrayDataset):
    """Inputs, targets and weights of samples, any number of each.

    Parameters
    ----------
    inputs : tuple of ndarray
    targets : tuple of ndarray
    weights : tuple of ndarray
        One for each target, or none.

    Raises
    ------
    ValueError
        If their lengths differ.
    """

    def __init__(self, inputs: Arrays, targets: Arrays, weights: Arrays = ()) -> None:
        for what, arrays in (("y", targets), ("sample_weight", weights)):
            for array in arrays:
                if len(array) != len(inputs[0]):
                    raise ValueError(
                        f"x has {len(inputs[0])} samples but {what} has {len(array)}"
                    )
        for array in inputs:
            if len(array) != len(inputs[0]):
                raise ValueError(
                    f"the inputs have {len(inputs[0])} and {len(array)} samples"
                )
        super().__init__(inputs[0], targets[0] if targets else inputs[0])
        self.parts = inputs, targets, weights

    @property
    def arrays(self) -> Arrays:
        """All of them in a row."""
        inputs, targets, weights = self.parts
        return *inputs, *targets, *weights

    def batch(
        self, arrays: Arrays, rows: NDArray[np.int64], seed: int, epoch: int
    ) -> Any:
        """A batch as the trainer takes it: each an array, or a tuple of several."""
        count = len(self.parts[0])
        return _alone(arrays[:count]), _alone(arrays[count:])

    def gather(
        self, rows: slice | NDArray[np.int64], seed: int = 0, epoch: int = 0
    ) -> Any:
        """Samples as a loader hands them out."""
        arrays = tuple([array[rows] for array in self.arrays])
        return self.batch(arrays, np.empty(0, np.int64), seed, epoch)

    def rows(self, rows: slice) -> Samples:
        """A part of the samples."""
        parts = [tuple([array[rows] for array in part]) for part in self.parts]
        return Samples(*parts)


def _alone(arrays: Arrays) -> Any:
    return arrays[0] if len(arrays) == 1 else arrays


class Feed:
    """What a model is given, in the form in which our trainer takes it.

    Parameters
    ----------
    inputs, outputs : Structure
    targets : list of Target
        The outputs that have a loss or a metric.
    """

    def __init__(
        self, inputs: Structure, outputs: Structure, targets: list[Target]
    ) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._targets = targets

    def inputs(self, x: Any) -> Arrays:
        """Inputs as float32, one each."""
        given = self._inputs.unpack("x", x)
        return tuple(
            [
                samples(each, tensor.sample_shape)
                for each, tensor in zip(given, self._inputs.tensors, strict=True)
            ]
        )

    def targets(self, y: Any) -> Arrays:
        """Targets as the losses take them, one each of those outputs that have one."""
        given = self._outputs.unpack("y", y, len(self._targets))
        if len(given) == len(self._outputs):
            given = [given[target.number] for target in self._targets]
        found = []
        for target, each in zip(self._targets, given, strict=True):
            if each is None:
                raise ValueError(
                    f"y: lacks the output {target.name!r}, which has a loss"
                )
            found.append(target.array(each))
        return tuple(found)

    def weights(self, weight: Any, targets: Arrays) -> Arrays:
        """Weights of samples as float32, one array each of the targets; or none."""
        if weight is None:
            return ()
        name = "sample_weight"
        if not isinstance(weight, list | tuple | Mapping) and len(self._outputs) > 1:
            if np.squeeze(weight).ndim > 1:
                raise ValueError(
                    f"{name}: one array for several outputs must have one weight for "
                    f"each sample, got shape {np.shape(weight)}"
                )
            weight = [weight] * len(self._outputs)
        given = self._outputs.unpack(name, weight, len(self._targets))
        if len(given) == len(self._outputs):
            given = [given[target.number] for target in self._targets]
        return tuple(
            [
                np.ones(len(of), np.float32)
                if each is None
                else np.ascontiguousarray(each, np.float32)
                for each, of in zip(given, targets, strict=True)
            ]
        )

    def samples(
        self, x: Any, y: Any, weight: Any = None, class_weight: Any = None
    ) -> Samples:
        """Arrays as a data set.

        Raises
        ------
        ValueError
            If something is missing or does not fit.
        """
        if x is None or y is None:
            raise ValueError("fit and evaluate need x and y")
        if class_weight:
            if weight is not None:
                raise ValueError("class_weight and sample_weight cannot both be given")
            weight = self._of_classes(y, class_weight)
        inputs, targets = self.inputs(x), self.targets(y)
        return Samples(inputs, targets, self.weights(weight, targets))

    def _of_classes(self, y: Any, class_weight: Mapping[int, float]) -> Array:
        if len(self._outputs) > 1:
            raise ValueError("class_weight is for models with one output")
        (given,) = self._outputs.unpack("y", y)
        classes = max(self._targets[0].width, 2)
        for label in class_weight:
            if not 0 <= label < classes:
                raise ValueError(
                    f"fit: class_weight is of class {label}, the model has {classes}"
                )
        labels = np.asarray(given)
        if labels.ndim > 1:
            one = labels.shape[-1] == 1
            labels = labels[..., 0] if one else labels.argmax(axis=-1)
        labels = np.rint(labels)
        weights = np.ones(labels.shape, np.float32)
        for label, value in class_weight.items():
            weights[labels == label] = value
        return weights

    def batch(self, batch: Any, class_weight: Any = None) -> tuple[Any, Any]:
        """A batch of another loader's as the trainer takes it."""
        x, y, weight = unpacked(batch)
        found = self.samples(x, y, weight, class_weight)
        return found.gather(slice(None))  # type: ignore[no-any-return]

    def loader(
        self,
        x: Any,
        y: Any = None,
        weight: Any = None,
        *,
        batch_size: int | None = None,
        shuffle: bool = False,
        class_weight: Any = None,
        steps: int | None = None,
        restart: bool = False,
    ) -> Loader:
        """Batches from whatever is given.

        Parameters
        ----------
        x
            Arrays, or a data set, a loader, a PyDataset, a generator or another
            iterable of batches, which bring the targets themselves.
        y, weight
            Targets and weights of samples, for arrays.
        batch_size : int, default 32
        shuffle : bool, default False
        class_weight : dict of int to float, optional
        steps : int, optional
            Batches in a pass.
        restart : bool, default False
            Whether each pass takes the first `steps`, where they can be had again.
        """
        source: Any = x
        convert = None
        if not is_source(x):
            source = self.samples(x, y, weight, class_weight)
        elif y is not None or weight is not None:
            raise ValueError(
                f"y and sample_weight are part of the batches of a {type(x).__name__}"
            )
        elif not isinstance(x, Samples):

            def convert(batch: Any) -> tuple[Any, Any]:
                return self.batch(batch, class_weight)

        if isinstance(source, ArrayDataset):
            source = DataLoader(source, batch_size or 32, shuffle)
        elif is_sequence(source):
            source = Shuffled(source, shuffle)
        if steps is not None and restart and not hasattr(source, "__next__"):
            source, steps = First(source, steps), None
        if steps is None and isinstance(source, DataLoader) and convert is None:
            return source
        return BatchStream(source, steps, convert)


def is_source(x: Any) -> bool:
    """Whether something gives batches, and is no array or several of them."""
    if isinstance(x, (ArrayDataset, DataLoader, BatchStream, PyDataset)):
        return True
    arrays = isinstance(x, list | tuple | Mapping) or hasattr(x, "__array__")
    return not arrays and (hasattr(x, "__iter__") or is_sequence(x))


def is_sequence(x: Any) -> bool:
    """Whether something has batches by their numbers."""
    return hasattr(x, "__getitem__") and hasattr(x, "__len__")


def unpacked(batch: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of a batch; None where it lacks them."""
    if not isinstance(batch, list | tuple):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(
            "a batch must be (x,), (x, y) or (x, y, sample_weight), got "
            f"{len(batch)} parts"
        )
    x, y, weight = (*batch, None, None)[:3]
    return x, y, weight


def peeked(x: Any) -> tuple[Any, Any]:
    """The inputs of a first batch, and what has all batches still."""
    if isinstance(x, ArrayDataset):
        return x[0:1][0], x
    if is_sequence(x):
        return unpacked(x[0])[0], x
    if isinstance(x, BatchStream) and hasattr(x.source, "__next__"):
        first, x.source = peeked(x.source)
        return first, x
    batches: Iterator[Any] = iter(x)
    first = next(batches, None)
    again = x if batches is not x else itertools.chain([first], batches)
    return unpacked(first)[0], again


class First:
    """The first batches of something that can be iterated over again."""

    def __init__(self, source: Iterable[Any], steps: int) -> None:
        self._source = source
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Any]:
        return itertools.islice(self._source, self._steps)


class Shuffled:
    """Batches by their numbers, each pass in an order of its own."""

    def __init__(self, source: Any, shuffle: bool) -> None:
        self._source = source
        self._shuffle = shuffle

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Any]:
        order = np.arange(len(self._source))
        if self._shuffle:
            random.generator().shuffle(order)
        for number in order:
            yield self._source[int(number)]
        if hasattr(self._source, "on_epoch_end"):
            self._source.on_epoch_end()


def samples(x: Any, shape: tuple[int, ...]) -> Array:
    """Inputs as float32, with or without a last axis of 1 as the model has it.

    Raises
    ------
    ValueError
        If a sample has another shape than the model's input.
    """
    array = np.asarray(x)
    if array.shape[1:] != shape:
        if array.shape[1:] + (1,) == shape:
            array = array[..., None]
        elif array.shape[1:] == (*shape, 1):
            array = array[..., 0]
        else:
            raise ValueError(
                f"the model takes samples of shape {shape}, got x of shape "
                f"{array.shape}"
            )
    return np.ascontiguousarray(array, np.float32)
