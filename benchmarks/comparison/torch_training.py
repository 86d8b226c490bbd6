"""PyTorch's side, as its users are told to make it fast on a CPU."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from comparison.training import LEARNING_RATE, Array, Problem, Training


class Network(nn.Module):
    """The convolutional network; images (N, 1, 28, 28) in either memory layout.

    Parameters
    ----------
    channels_last : bool
        How features are flattened: in the order in which they lie in memory, so
        that it costs nothing.
    """

    def __init__(self, channels_last: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10))
        self.channels_last = channels_last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        if self.channels_last:
            x = x.permute(0, 2, 3, 1)
        return self.head(x.flatten(1))


def perceptron(widths: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def converted(problem: Problem, channels_last: bool) -> list[torch.Tensor]:
    """The initial weights in PyTorch's layouts."""
    tensors = []
    for array in problem.weights:
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif array.ndim == 2:
            if array.shape[0] == 576 and not channels_last:
                # The first matrix behind (3, 3, 64) features, which lie
                # (64, 3, 3) here.
                array = array.reshape(3, 3, 64, -1).transpose(2, 0, 1, 3)
                array = array.reshape(576, -1)
            array = array.T
        tensors.append(torch.from_numpy(array.copy()))
    return tensors


class TorchTraining(Training):
    """Variants "nchw", "channels_last" and "compile", which is channels_last too.

    A perceptron has no layout: "eager" says so.
    """

    def __init__(self, problem: Problem, variant: str) -> None:
        super().__init__(problem, variant)
        last = variant in ("channels_last", "compile")
        self._images = problem.widths is None
        self._initial = converted(problem, last)
        widths = problem.widths
        model: nn.Module = Network(last) if widths is None else perceptron(widths)
        if self._images and last:
            model = model.to(memory_format=torch.channels_last)
        self._parameters = list(model.parameters())
        self._optimizer = torch.optim.Adam(
            self._parameters, lr=LEARNING_RATE, fused=True
        )

        def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return nn.functional.cross_entropy(model(x), y)

        self._loss = torch.compile(loss_of) if variant == "compile" else loss_of

    def reset(self) -> None:
        """In place, so that what is compiled stays valid."""
        with torch.no_grad():
            for parameter, tensor in zip(self._parameters, self._initial, strict=True):
                parameter.copy_(tensor)
        self._optimizer.zero_grad()
        self._optimizer.state.clear()

    def step(self, x: Array, y: Array) -> torch.Tensor:
        """The loop of PyTorch's tutorials."""
        inputs = torch.from_numpy(x)
        if self._images:
            inputs = inputs.permute(0, 3, 1, 2)
        loss = self._loss(inputs, torch.from_numpy(y))
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def values(self, losses: Sequence[Any]) -> list[float]:
        """All at once."""
        return [float(value) for value in torch.stack(list(losses)).tolist()]
