"""Optimizers beside PyTorch's over several steps, and what a step promises."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import kernels, nn, optim

SHAPES = [(3, 4), (4,), (2, 3, 1, 5), ()]


def parameters(dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return [nn.Parameter(rng.standard_normal(s).astype(dtype)) for s in SHAPES]


def gradients(step, dtype=np.float32):
    rng = np.random.default_rng(100 + step)
    return [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]


CASES = [
    ("SGD", "SGD", {"lr": 0.1}),
    ("SGD", "SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", "SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("Momentum", "SGD", {"lr": 0.05, "momentum": 0.8}),
    ("Nesterov", "SGD", {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1}),
    ("Adam", "Adam", {}),
    ("Adam", "Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}),
    ("Adam", "Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", "AdamW", {}),
    ("AdamW", "AdamW", {"lr": 0.01, "weight_decay": 0.5, "betas": (0.8, 0.95)}),
    ("RMSprop", "RMSprop", {}),
    ("RMSprop", "RMSprop", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", "RMSprop", {"alpha": 0.9, "eps": 1e-3, "centered": True}),
    ("RMSprop", "RMSprop", {"alpha": 0.5, "momentum": 0.5, "centered": True}),
    ("Adagrad", "Adagrad", {"lr": 0.1}),
    (
        "Adagrad",
        "Adagrad",
        {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
    ),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ours", "theirs", "options"), CASES, ids=str)
def test_as_pytorch(ours, theirs, options, dtype):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    params = parameters(dtype)
    peers = [torch.from_numpy(p.data.copy()).requires_grad_() for p in params]
    optimizer = getattr(optim, ours)(params, **options)
    if ours == "Nesterov":
        options = {**options, "nesterov": True}
    peer = getattr(torch.optim, theirs)(peers, **options)
    for step in range(6):
        for i, grad in enumerate(gradients(step, dtype)):
            # The third has its first gradient in the third step, and the first
            # none in the fifth: each counts its own steps.
            absent = (i == 2 and step < 2) or (i == 0 and step == 4)
            params[i].grad = None if absent else grad.copy()
            peers[i].grad = None if absent else torch.from_numpy(grad.copy())
        optimizer.step()
        peer.step()
    tolerance = 3e-6 if dtype == np.float32 else 1e-12
    for mine, other in zip(params, peers, strict=True):
        np.testing.assert_allclose(
            mine.data, other.detach().numpy(), rtol=tolerance, atol=tolerance
        )


def test_adam_without_bias_correction():
    params = parameters()
    before = [p.data.copy() for p in params]
    for p, grad in zip(params, gradients(0), strict=True):
        p.grad = grad
    optim.Adam(params, lr=0.1, bias_correction=False).step()
    for p, old, grad in zip(params, before, gradients(0), strict=True):
        expected = old - 0.1 * (0.1 * grad) / (np.sqrt(0.001 * grad**2) + 1e-8)
        np.testing.assert_allclose(p.data, expected, rtol=1e-4, atol=1e-5)


def test_all_parameters_in_one_call(monkeypatch):
    params = parameters()
    optimizer = optim.Adam(params)
    sizes = []
    original = kernels.adam_step

    def spy(arrays, *rest, **options):
        sizes.append(len(arrays))
        original(arrays, *rest, **options)

    monkeypatch.setattr(kernels, "adam_step", spy)
    for step in range(3):
        for p, grad in zip(params, gradients(step), strict=True):
            p.grad = grad
        optimizer.step()
    assert sizes == [4, 4, 4]


def test_without_gradients_nothing_happens():
    params = parameters()
    before = [p.data.copy() for p in params]
    optimizer = optim.Adam(params)
    optimizer.step()
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.data, old)
    assert optimizer.state_dict()["state"] == {}


def test_zero_grad():
    params = parameters()
    optimizer = optim.SGD(params)
    sum((p * p).sum() for p in params).backward()
    assert all(p.grad is not None for p in params)
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "make", [optim.Adam, optim.Momentum, optim.SGD, optim.RMSprop, optim.Adagrad]
)
def test_a_step_is_all_or_nothing(make, groups):
    params = parameters()
    for p, grad in zip(params, gradients(0), strict=True):
        p.grad = grad
    given = params if groups == 1 else [{"params": params[:2]}, {"params": params[2:]}]
    optimizer = make(given, lr=0.1)
    optimizer.step()
    before = [p.data.copy() for p in params]
    params[3].data.flags.writeable = False
    with pytest.raises(ValueError, match=r"params\[\d\] must be .* not writeable"):
        optimizer.step()
    params[3].data.flags.writeable = True
    params[3].grad = np.float64(1)
    with pytest.raises(TypeError, match=r"grads\[\d\] must be float32"):
        optimizer.step()
    params[3].grad = gradients(0)[3]
    optimizer.param_groups[-1]["lr"] = -1.0
    with pytest.raises(ValueError, match="lr must be finite and at least 0, got -1"):
        optimizer.step()
    for p, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.data, old)
    state = optimizer.state_dict()["state"]
    assert {entry["step"] for entry in state.values()} == {1}
    optimizer.lr = 0.1
    optimizer.step()
    assert all((p.data != old).any() for p, old in zip(params, before, strict=True))


def test_a_graph_made_before_the_step_is_void():
    layer = nn.Linear(3, 3)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    x = tw.tensor(np.ones((1, 3), np.float32), requires_grad=True)
    early = layer(x).sum()
    layer(x).sum().backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified in place"):
        early.backward()


def test_groups_have_options_of_their_own():
    params = parameters()
    before = [p.data.copy() for p in params]
    optimizer = optim.SGD(
        [{"params": params[:2], "lr": 1.0}, {"params": iter(params[2:])}], lr=0.5
    )
    assert [g["lr"] for g in optimizer.param_groups] == [1.0, 0.5]
    for p in params:
        p.grad = np.ones(p.shape, np.float32)
    optimizer.step()
    for p, old, lr in zip(params, before, [1, 1, 0.5, 0.5], strict=True):
        np.testing.assert_allclose(p.data, old - lr, rtol=1e-6, atol=1e-6)
    optimizer.lr = 0.25
    assert [g["lr"] for g in optimizer.param_groups] == [0.25, 0.25]
    assert optimizer.lr == 0.25


def test_frozen_parameters_may_be_among_them():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    optimizer = optim.AdamW(model.parameters(), lr=0.1)
    before = model.state_dict()
    model(np.ones((1, 2), np.float32)).sum().backward()
    optimizer.step()
    after = model.state_dict()
    changed = [name for name in before if (before[name] != after[name]).any()]
    assert changed == ["1.weight", "1.bias"]


def test_float64_model_learns():
    tw.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).to(np.float64)
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([[0.0], [1], [1], [0]])
    for _ in range(200):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2 and loss.dtype == np.float64


LEAF = nn.Parameter(np.ones(2, np.float32))


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: optim.Adam([]), ValueError, "Adam: params is empty"),
        (lambda: optim.Adam(iter([])), ValueError, "Adam: params is empty"),
        (
            lambda: optim.Adam(LEAF),
            TypeError,
            "iterable of Parameters, such as model.p",
        ),
        (lambda: optim.Adam(3), TypeError, "an iterable of Parameters.*got int"),
        (
            lambda: optim.SGD([LEAF, np.ones(2)]),
            TypeError,
            r"SGD: params\[1\] must be a Parameter or a Tensor, got ndarray",
        ),
        (
            lambda: optim.SGD(nn.Linear(1, 1).named_parameters()),
            TypeError,
            r"got tuple; use parameters\(\), not named_parameters\(\)",
        ),
        (lambda: optim.SGD([LEAF * 2.0]), ValueError, "is the result of an operation"),
        (lambda: optim.SGD([LEAF, LEAF]), ValueError, r"params\[1\] is there twice"),
        (
            lambda: optim.SGD([{"params": [LEAF]}, {"params": LEAF}]),
            ValueError,
            r"params\[0\] is there twice",
        ),
        (
            lambda: optim.SGD([tw.tensor([1, 2])]),
            TypeError,
            "must be float32 or float64, got int64",
        ),
        (
            lambda: optim.SGD([{"params": [LEAF]}, LEAF]),
            TypeError,
            "all groups or all Parameters, got Parameter at position 1",
        ),
        (
            lambda: optim.SGD([{"params": [LEAF], "beta": 1}]),
            ValueError,
            "must have 'params' and may have lr, momentum.*got 'params', 'beta'",
        ),
        (lambda: optim.SGD([{"lr": 1.0}]), ValueError, "must have 'params' and may"),
        (lambda: optim.SGD([LEAF], lr=-1), ValueError, "SGD: lr must be .* got -1"),
        (lambda: optim.SGD([LEAF], lr="0.1"), TypeError, "SGD: lr must be a number"),
        (
            lambda: optim.Momentum([LEAF], momentum=1.0),
            ValueError,
            r"Momentum: momentum must be in \[0, 1\), got 1",
        ),
        (
            lambda: optim.Nesterov([LEAF], momentum=0.0),
            ValueError,
            "Nesterov: nesterov=True needs a momentum above 0",
        ),
        (lambda: optim.Adam([LEAF], eps=-1), ValueError, "Adam: eps must be"),
        (
            lambda: optim.AdamW([LEAF], weight_decay=-1),
            ValueError,
            "AdamW: weight_decay",
        ),
        (
            lambda: optim.Adam([LEAF], betas=(0.9, 1.0)),
            ValueError,
            r"Adam: betas\[1\] must be in \[0, 1\), got 1",
        ),
        (lambda: optim.Adam([LEAF], betas=0.9), ValueError, "betas must be a pair"),
    ],
)
def test_mistakes_are_told_at_once(make, kind, text):
    with pytest.raises(kind, match=text):
        make()
