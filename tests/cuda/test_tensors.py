"""Tensors on a GPU: what is computed, where, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import autograd, nn
from tilewright.errors import BackendUnavailableError

F = nn.functional
X = np.array([[0.5, -1.5, 2.0], [1.0, 3.0, -0.25]], np.float32)
Y = np.array([[1.5, 0.5, -2.0], [0.75, -1.0, 0.25]], np.float32)

# Operations of every kind: the result and the gradients are those of the CPU.
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract a row": lambda x, y: x - y[0],
    "multiply": lambda x, y: x * y * 2,
    "divide": lambda x, y: 1 / x + x / y,
    "negative": lambda x, y: -x - abs(y),
    "power": lambda x, y: (x**2 + 1) ** y + 2**x,
    "compare": lambda x, y: autograd.where(x > y, x, y * 3),
    "exp": lambda x, y: x.exp() + y.tanh() + x.sigmoid() + y.relu(),
    "log": lambda x, y: (x * x).log() + (y * y).sqrt(),
    "clip": lambda x, y: x.clip(-1, 1) + y.clip(low=0.0),
    "extremes": lambda x, y: autograd.maximum(x, y) - autograd.minimum(x, 1),
    "sums": lambda x, y: x.sum(axis=0) + y.mean(axis=1, keepdims=True),
    "max": lambda x, y: x.max(axis=1) * y.min(),
    "variance": lambda x, y: x.var(axis=0) + y.var(),
    "shapes": lambda x, y: x.T.reshape(2, 3) + y.reshape(3, 2).transpose(0, 1),
    "squeeze": lambda x, y: x.unsqueeze(0).squeeze(0) + y.broadcast_to(4, 2, 3),
    "slices": lambda x, y: x[:, 1:] * y[:, :2] + x[0, 1],
    "the same row often": lambda x, y: x[[0, 1, 0, 0]] * 2 + y[[1]],
    "places": lambda x, y: x[[0, 0, 1, 0, 0], [2, 1, 0, 2, 2]] * y[1, 0],
    "mask": lambda x, y: x[np.array([[True, False, True], [False, True, True]])],
    "join": lambda x, y: autograd.concatenate([x, y], 1) * autograd.stack([y, x]).sum(),
    "split": lambda x, y: x.split(2, axis=1)[0] * y.split(2, axis=1)[1],
    "matmul": lambda x, y: x @ y.T + (x @ y[0]).sum(),
    "batches of matrices": lambda x, y: x.broadcast_to(4, 2, 3) @ y.T,
    "elu": lambda x, y: F.elu(x) + F.silu(y) + F.softplus(x) + F.hardsigmoid(y),
    "gelu": lambda x, y: F.gelu(x) + F.leaky_relu(y) + F.relu6(x) + F.selu(y),
    "softmax": lambda x, y: F.softmax(x) * F.log_softmax(y, axis=0),
    "mse": lambda x, y: F.mse_loss(x, y),
    "l1": lambda x, y: F.l1_loss(x, y, "sum"),
    "huber": lambda x, y: F.huber_loss(x, y, "none"),
    "bce": lambda x, y: F.binary_cross_entropy(x.sigmoid(), y > 0),
    "bce of logits": lambda x, y: F.binary_cross_entropy_with_logits(x, y > 0) + y,
    "soft targets": lambda x, y: F.cross_entropy(x, Y * 0 + 0.25 if cpu(x) else to(Y)),
    "batch norm": lambda x, y: F.batch_norm(x, None, None, y[0], y[1], training=True),
    "penalties": lambda x, y: nn.L1L2(0.5, 0.25)(x) * y,
}


def cpu(x: Any) -> bool:
    return bool(x.device == "cpu")


def to(array: np.ndarray) -> tw.Tensor:
    return tw.tensor(array * 0 + np.float32(0.25), device="cuda")


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_those_of_the_cpu(cupy: ModuleType, name: str) -> None:
    found = []
    for device in ("cpu", "cuda"):
        x = tw.tensor(X, requires_grad=True, device=device)
        y = tw.tensor(Y, requires_grad=True, device=device)
        result = OPERATIONS[name](x, y)
        where = "cpu" if device == "cpu" else "cuda:0"
        assert result.device == where
        if result._requires_grad:
            result.sum().backward()
        arrays = [result.detach()]
        for leaf in (x, y):
            if leaf.grad is not None:
                assert leaf.grad.device == where
                arrays.append(leaf.grad)
        found.append([each.to("cpu").numpy() for each in arrays])
    host, device_ = found
    assert len(host) == len(device_) > 1
    for expected, got in zip(host, device_, strict=True):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=2e-6, atol=1e-6)
