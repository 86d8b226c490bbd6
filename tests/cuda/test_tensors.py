"""Tensors on a GPU: what is computed, where, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import autograd, nn
from tilewright.autograd.indexing import added_at

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
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-6)


def test_a_tensor_goes_there_and_back_with_its_gradient(cupy: Any) -> None:
    x = tw.tensor(X, requires_grad=True)
    y = (x * 2).to("cuda")
    assert (x.device, y.device, y.to("cuda:0") is y) == ("cpu", "cuda:0", True)
    assert type(y.data) is cupy.ndarray
    assert repr(tw.tensor([1.0, 2.5], device="cuda")) == (
        "tensor([1.0000, 2.5000], device='cuda:0')"
    )
    (y * y).sum().backward()
    assert x.grad is not None and x.grad.device == "cpu"
    assert np.array_equal(x.grad.numpy(), 8 * X)
    assert y.sum().item() == (2 * X).sum() and y[0].tolist() == (2 * X[0]).tolist()
    assert tw.Tensor(y.data).device == "cuda:0"
    assert tw.tensor(y.detach()).data is not y.data
    assert (y > 0).to("cpu").tolist() == (X > 0).tolist()


def test_changes_in_place(cupy: ModuleType) -> None:
    x = tw.tensor(X, device="cuda")
    x += 1
    x[0] = x[1]
    x[:, 2] = 5
    x *= tw.tensor([1.0, 2.0, 3.0], device="cuda")
    expected = X + 1
    expected[0] = expected[1]
    expected[:, 2] = 5
    assert np.array_equal(x.to("cpu").numpy(), expected * [1, 2, 3])
    leaf = tw.tensor(X, device="cuda", requires_grad=True)
    part = (leaf * 1)[0]
    part *= 3
    part.sum().backward()
    assert leaf.grad is not None and leaf.grad.tolist() == [[3, 3, 3], [0, 0, 0]]
    for _ in range(2):
        leaf.grad = None
        (leaf + leaf).sum().backward()
        leaf.sum().backward()
        assert leaf.grad.tolist() == [[3, 3, 3]] * 2


MIXED: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda x, y: x + y,
    "sum with an array": lambda x, y: x + Y,
    "comparison": lambda x, y: x < y,
    "maximum": lambda x, y: autograd.maximum(x, y),
    "power": lambda x, y: x**y,
    "choice": lambda x, y: autograd.where(x > 0, x, y),
    "matmul": lambda x, y: x @ y.T,
    "batch": lambda x, y: x @ y.broadcast_to(2, 2, 3).transpose(1, 2),
    "join": lambda x, y: autograd.concatenate([x, y]),
    "linear": lambda x, y: F.linear(x, y.T),
    "loss": lambda x, y: F.mse_loss(x, y),
    "huber": lambda x, y: F.huber_loss(x, y),
    "labels": lambda x, y: F.cross_entropy(x, np.array([0, 1])),
    "soft labels": lambda x, y: F.cross_entropy(x, Y),
    "in place": lambda x, y: x.__iadd__(y),
    "item": lambda x, y: x.__setitem__(0, y[0]),
    "gradient": lambda x, y: (x * 1).backward(y),
}


@pytest.mark.parametrize("name", MIXED)
def test_devices_are_not_mixed(cupy: ModuleType, name: str) -> None:
    x = tw.tensor(X, device="cuda", requires_grad=name == "gradient")
    with pytest.raises(TypeError, match=r"(cuda:0.*\bcpu|\bcpu.*cuda:0)"):
        MIXED[name](x, tw.tensor(Y))
    assert np.array_equal(x.detach().to("cpu").numpy(), X)


def test_numpy_is_asked_for(cupy: ModuleType) -> None:
    x = tw.tensor(X, device="cuda")
    for convert in (lambda: x.numpy(), lambda: np.asarray(x)):
        with pytest.raises(TypeError, match=r'on cuda:0; use \.to\("cpu"\)'):
            convert()


def test_another_gpu_is_another_device(cupy: Any) -> None:
    if tw.cuda.device_count() != 2:
        pytest.skip("needs two GPUs")
    there = tw.tensor(X).to("cuda:1")
    assert there.device == "cuda:1" and there.to("cuda").device == "cuda:0"
    assert np.array_equal(there.to("cuda:0").to("cpu").numpy(), X)
    with pytest.raises(TypeError, match="got cuda:1 and cuda:0; move one"):
        there += tw.tensor(Y, device="cuda")
    with pytest.raises(TypeError, match="is on cuda:1 and CuPy's current device"):
        there + there
    with cupy.cuda.Device(1):
        assert (there + there).device == "cuda:1"
    with pytest.raises(tw.errors.BackendUnavailableError, match="there are 2 GPUs"):
        there.to("cuda:2")


def test_equal_places_are_added_in_one_order(cupy: Any) -> None:
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 3, 100, 1000):
        rows = rng.integers(0, 7, count)
        values = rng.standard_normal((count, 5)).astype(np.float32)
        expected = np.zeros((7, 5))
        np.add.at(expected, rows, values.astype(np.float64))
        got = added_at((7, 5), rows, cupy.asarray(values)).get()
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)
    values[3] = np.inf
    got = added_at((7, 5), rows, cupy.asarray(values)).get()
    assert np.isinf(got[rows[3]]).all() and np.isfinite(got).sum() == 30


def test_other_libraries_get_the_memory(cupy: Any) -> None:
    x = tw.tensor(X, device="cuda")
    interface = x.__cuda_array_interface__
    assert interface["shape"] == (2, 3) and interface["typestr"] == "<f4"
    assert interface["data"][0] == x.data.data.ptr
    assert not hasattr(tw.tensor(X), "__cuda_array_interface__")
    x.requires_grad = True
    assert not hasattr(x, "__cuda_array_interface__")
    assert x.__dlpack_device__() == (2, 0)
    again = tw.from_dlpack(x.detach())
    assert again.device == "cuda:0" and again.data.data.ptr == x.data.data.ptr
    with pytest.raises(BufferError, match="requires a gradient"):
        tw.from_dlpack(x)
    if hasattr(cupy, "world"):  # as CuPy 13; later ones copy to the CPU
        with pytest.raises(BufferError, match="cannot export to the device"):
            x.detach().__dlpack__(dl_device=(1, 0))


def test_weights_are_drawn_and_loaded_on_the_gpu(cupy: ModuleType) -> None:
    found = []
    for device in ("cpu", "cuda"):
        tw.manual_seed(3)
        layer = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).to(device)
        nn.init.kaiming_normal_(layer[0].weight)
        nn.init.constant_(layer[0].bias, 2.0)
        layer(tw.tensor(np.ones((2, 4), np.float32), device=device))
        found.append(layer.state_dict())
        layer.load_state_dict({k: np.ones_like(v) for k, v in found[-1].items()})
        where = "cpu" if device == "cpu" else "cuda:0"
        assert {p.device for p in layer.parameters()} == {where}
        assert all((v == 1).all() for v in layer.state_dict().values())
    for name, array in found[0].items():
        np.testing.assert_allclose(found[1][name], array, rtol=1e-6, err_msg=name)
    with pytest.raises(ValueError, match="nothing was loaded; 0.weight must have"):
        layer.load_state_dict({**found[0], "0.weight": np.zeros((2, 2), np.float32)})
