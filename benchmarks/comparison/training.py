"""What a contestant's process trains, and the loop that is timed."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 0  # of weights and order
LEARNING_RATE = 1e-3

Array = NDArray[Any]


@dataclass(frozen=True)
class Problem:
    """A model's initial weights, and data in the order they are taken.

    Attributes
    ----------
    model : str
        "mnist-cnn", or the widths of a perceptron such as "784-128-10".
    weights : list of ndarray
        As tilewright lists its parameters and in its layouts: filters (R, S, C, K),
        matrices (in, out).
    x : ndarray (N, 28, 28, 1) or (N, 784)
        float32.
    y : ndarray (N,)
        int64.
    order : ndarray (N,)
        Rows of x and y.
    batch_size : int
    """

    model: str
    weights: list[Array]
    x: Array
    y: Array
    order: Array
    batch_size: int

    @property
    def steps(self) -> int:
        """Whole batches of an epoch; a smaller one at its end is left out."""
        return len(self.order) // self.batch_size

    @property
    def widths(self) -> list[int] | None:
        """Those of a perceptron, None for the convolutional network."""
        if self.model == "mnist-cnn":
            return None
        return [int(width) for width in self.model.split("-")]

    def batches(self, steps: int) -> Iterator[tuple[Array, Array]]:
        """The first batches of the epoch, copied out of the data set.

        Yields
        ------
        x : ndarray (batch_size, ...)
        y : ndarray (batch_size,)
        """
        size = self.batch_size
        for step in range(steps):
            rows = self.order[step * size : (step + 1) * size]
            yield self.x.take(rows, axis=0), self.y.take(rows, axis=0)

    @classmethod
    def load(cls, folder: Path, model: str, batch_size: int) -> Problem:
        """Read what `write_data` and `write_weights` wrote.

        The images are mapped, not read: all processes share one copy, and no
        malloc of theirs is shaped by the loading.
        """
        with np.load(folder / f"{model}.npz") as file:
            weights = [file[f"arr_{i}"] for i in range(len(file))]
        x = np.asarray(np.load(folder / "x.npy", mmap_mode="r"))
        if model != "mnist-cnn":
            x = x.reshape(len(x), -1)
        x.max()  # now all of it is in memory
        y, order = np.load(folder / "y.npy"), np.load(folder / "order.npy")
        return cls(model, weights, x, y, order, batch_size)


class Training(ABC):
    """One contestant's model and optimizer; `step` is what it is about.

    Parameters
    ----------
    problem : Problem
    variant : str
    """

    def __init__(self, problem: Problem, variant: str) -> None:
        self.problem = problem
        self.variant = variant

    @abstractmethod
    def reset(self) -> None:
        """Go back to the initial weights and to an optimizer that has not begun."""

    @abstractmethod
    def step(self, x: Array, y: Array) -> Any:
        """Train on one batch; its loss, in whatever type costs least."""

    def batches(self, steps: int) -> Iterator[tuple[Array, Array]]:
        """Where the batches come from."""
        return self.problem.batches(steps)

    def values(self, losses: Sequence[Any]) -> list[float]:
        """Losses as numbers; what is still being computed is waited for."""
        return [float(loss) for loss in losses]

    def first_losses(self, steps: int) -> list[float]:
        """Losses of the first steps from the initial weights."""
        self.reset()
        return self.values([self.step(x, y) for x, y in self.batches(steps)])

    def timed(self, steps: int) -> tuple[float, float]:
        """Seconds of so many steps from the initial weights, and their mean loss."""
        self.reset()
        begin = time.perf_counter()
        losses = [self.step(x, y) for x, y in self.batches(steps)]
        values = self.values(losses)
        seconds = time.perf_counter() - begin
        return seconds, sum(values) / steps
