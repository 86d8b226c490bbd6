"""tilewright's side: the compiled step, and the eager loop that people write."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import tilewright as tw
from comparison.training import LEARNING_RATE, SEED, Array, Problem, Training
from tilewright import nn, optim
from tilewright.data import ArrayDataset, DataLoader
from tilewright.models import mnist_cnn


def build(model: str) -> nn.Sequential:
    """A network by its name.

    Parameters
    ----------
    model : str
        As in `Problem`.
    """
    if model == "mnist-cnn":
        return mnist_cnn()
    widths = [int(width) for width in model.split("-")]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class TilewrightTraining(Training):
    """Variants "compile_step" and "eager"."""

    def __init__(self, problem: Problem, variant: str) -> None:
        super().__init__(problem, variant)
        self._data = ArrayDataset(problem.x, problem.y)
        self._step: Callable[[Array, Array], Any]

    def reset(self) -> None:
        """Build everything anew: recording a step belongs to the time it takes."""
        model = build(self.problem.model)
        for parameter, array in zip(
            model.parameters(), self.problem.weights, strict=True
        ):
            parameter.data[...] = array
        optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)
        if self.variant == "compile_step":
            self._step = tw.compile_step(model, "cross_entropy", optimizer)
            return

        def eager(x: Array, y: Array) -> Any:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        self._step = eager

    def batches(self, steps: int) -> Iterator[tuple[Array, Array]]:
        """By our own loader, whose order the problem's is."""
        size = self.problem.batch_size
        loader = DataLoader(self._data, size, shuffle=True, drop_last=True, seed=SEED)
        return itertools.islice(loader, steps)

    def step(self, x: Array, y: Array) -> float:
        """Read the loss at once: the next step may overwrite it."""
        loss = self._step(x, y)
        return float(loss.item() if hasattr(loss, "item") else loss)
