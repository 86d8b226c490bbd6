"""A small problem that a small network learns quickly."""

from __future__ import annotations

import numpy as np

import tilewright as tw
from tilewright import data, nn, optim


def images(size: int = 96, seed: int = 0) -> data.ArrayDataset:
    """Images whose class is the quarter that is bright."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, size)
    x = rng.random((size, 8, 8, 1), np.float32) * np.float32(0.3)
    for row, label in enumerate(y):
        top, left = 4 * (label // 2), 4 * (label % 2)
        x[row, top : top + 4, left : left + 4] += np.float32(0.7)
    return data.ArrayDataset(x, y)


def network(dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(36, 4),
    )


def trainer(seed: int = 0, dropout: float = 0.0, lr: float = 0.02) -> tw.Trainer:
    tw.manual_seed(seed)
    model = network(dropout)
    return tw.Trainer(model, optim.Adam(model.parameters(), lr=lr))


def weights(of: tw.Trainer) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in of.model.state_dict().items()}
