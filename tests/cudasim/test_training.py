"""A network trained through the CUDA kernels, beside the same on the CPU's."""

from __future__ import annotations

from types import ModuleType

import pytest
from test_kernels import backends

import tilewright as tw
from tilewright import data, nn, optim
from tilewright.kernels import dispatch
from tilewright.models.mnist_cnn import mnist_cnn

__all__ = ["backends"]

STEPS, BATCH = 20, 8


def losses(backend: str) -> list[float]:
    tw.manual_seed(0)
    train, _ = data.mnist_sample()
    model = mnist_cnn()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    found = []
    with dispatch.backend(backend):
        for step in range(STEPS):
            rows = slice(step * BATCH, (step + 1) * BATCH)
            x, y = train.x[rows], train.y[rows]
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


def test_the_first_network_learns_as_on_the_cpu(cudasim: ModuleType) -> None:
    cudasim.configure("random", 1, True)
    reference = "cpu" if dispatch.unavailable_reason("cpu") is None else "numpy"
    ours, theirs = losses("cudasim"), losses(reference)
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert ours[-1] < ours[0] - 0.1
