"""Train the MNIST network with PyTorch, in a process of its own.

    python torch_reference.py WEIGHTS.npz SEED EPOCHS

Starts from our initial weights and takes the batches in our order; prints the test
accuracy. Two thread pools in one process would slow each other down.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import nn

from tilewright.data import DataLoader, mnist


class Network(nn.Module):
    def __init__(self) -> None:
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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Flattened as NHWC, so that the first linear layer's weights are ours.
        return self.head(self.features(x).permute(0, 2, 3, 1).flatten(1))


def images(x: np.ndarray) -> torch.Tensor:
    """NHWC array as an NCHW tensor in channels-last memory."""
    return torch.from_numpy(x).permute(0, 3, 1, 2)


def load(network: Network, arrays: list[np.ndarray]) -> None:
    parameters = list(network.parameters())
    assert len(parameters) == len(arrays)
    with torch.no_grad():
        for parameter, array in zip(parameters, arrays, strict=True):
            if array.ndim == 4:
                array = array.transpose(3, 2, 0, 1)
            elif array.ndim == 2:
                array = array.T
            parameter.copy_(torch.from_numpy(array.copy()))


def main() -> None:
    weights, seed, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    train, test = mnist()
    network = Network()
    with np.load(weights) as file:
        load(network, [file[f"arr_{i}"] for i in range(len(file))])
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    loader = DataLoader(train, 32, shuffle=True, seed=seed)
    for _ in range(epochs):
        for x, y in loader:
            loss = nn.functional.cross_entropy(network(images(x)), torch.from_numpy(y))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = sum(
            int((network(images(x)).argmax(1).numpy() == y).sum())
            for x, y in DataLoader(test, 500)
        )
    print(right / len(test))


if __name__ == "__main__":
    main()
