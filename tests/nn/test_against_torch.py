"""Layers and losses beside PyTorch's, with its weights: results and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch")

rng = np.random.default_rng(0)
# Sums of a few hundred products of float32, in another order.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


def channels_first(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def channels_last(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


def carry_over(theirs, ours):
    """Give our layer the weights of PyTorch's."""
    weight = theirs.weight.detach().numpy()
    axes = (2, 3, 1, 0) if weight.ndim == 4 else (1, 0)
    state = {"weight": weight.transpose(axes)}
    if theirs.bias is not None:
        state["bias"] = theirs.bias.detach().numpy()
    ours.load_state_dict(state)


CONVOLUTIONS = [
    {"kernel_size": 3},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"kernel_size": 3, "padding": "same", "dilation": 2},
    {"kernel_size": 3, "groups": 2, "bias": False},
    {"kernel_size": 1, "groups": 4, "stride": 2},
]


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_conv2d(options):
    theirs, ours = torch.nn.Conv2d(4, 8, **options), nn.Conv2d(4, 8, **options)
    carry_over(theirs, ours)
    x = rng.standard_normal((3, 9, 10, 4), np.float32)
    a = channels_first(x).requires_grad_()
    b = tw.tensor(x, requires_grad=True)
    expected, y = theirs(a), ours(b)
    np.testing.assert_allclose(y.data, channels_last(expected), **CLOSE)
    dy = rng.standard_normal(y.shape, np.float32)
    expected.backward(channels_first(dy))
    y.backward(dy)
    np.testing.assert_allclose(b.grad.data, channels_last(a.grad), **CLOSE)
    np.testing.assert_allclose(
        ours.weight.grad.data, theirs.weight.grad.numpy().transpose(2, 3, 1, 0), **CLOSE
    )
    if ours.bias is not None:
        np.testing.assert_allclose(
            ours.bias.grad.data, theirs.bias.grad.numpy(), **CLOSE
        )


POOLINGS = [
    ("MaxPool2d", (2,), {}),
    ("MaxPool2d", (3, 2, 1), {}),
    ("MaxPool2d", ((2, 3), (1, 2)), {}),
    ("AvgPool2d", (2,), {}),
    ("AvgPool2d", (3, 2, 1), {}),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}),
]


@pytest.mark.parametrize(("name", "sizes", "options"), POOLINGS)
def test_pooling(name, sizes, options):
    theirs = getattr(torch.nn, name)(*sizes, **options)
    ours = getattr(nn, name)(*sizes, **options)
    x = rng.standard_normal((2, 7, 8, 3), np.float32)
    a = channels_first(x).requires_grad_()
    b = tw.tensor(x, requires_grad=True)
    expected, y = theirs(a), ours(b)
    np.testing.assert_allclose(y.data, channels_last(expected), rtol=1e-6, atol=1e-7)
    dy = rng.standard_normal(y.shape, np.float32)
    expected.backward(channels_first(dy))
    y.backward(dy)
    np.testing.assert_allclose(b.grad.data, channels_last(a.grad), **CLOSE)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 3, 5)])
def test_linear(shape, bias):
    theirs, ours = torch.nn.Linear(5, 7, bias), nn.Linear(5, 7, bias)
    carry_over(theirs, ours)
    x = rng.standard_normal(shape, np.float32)
    a, b = torch.from_numpy(x).requires_grad_(), tw.tensor(x, requires_grad=True)
    expected, y = theirs(a), ours(b)
    np.testing.assert_allclose(y.data, expected.detach().numpy(), **CLOSE)
    dy = rng.standard_normal(y.shape, np.float32)
    expected.backward(torch.from_numpy(dy))
    y.backward(dy)
    np.testing.assert_allclose(b.grad.data, a.grad.numpy(), **CLOSE)
    np.testing.assert_allclose(
        ours.weight.grad.data, theirs.weight.grad.numpy().T, **CLOSE
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nn.ReLU(), "ReLU()"),
        (nn.LeakyReLU(0.3), "LeakyReLU(0.3)"),
        (nn.GELU(), "GELU()"),
        (nn.Sigmoid(), "Sigmoid()"),
        (nn.Tanh(), "Tanh()"),
        (nn.Softmax(1), "Softmax(1)"),
        (nn.LogSoftmax(1), "LogSoftmax(1)"),
        (nn.ELU(0.5), "ELU(0.5)"),
        (nn.SELU(), "SELU()"),
        (nn.SiLU(), "SiLU()"),
        (nn.Softplus(), "Softplus()"),
        (nn.Softsign(), "Softsign()"),
        (nn.ReLU6(), "ReLU6()"),
        (nn.Hardsigmoid(), "Hardsigmoid()"),
        (nn.Flatten(), "Flatten()"),
    ],
    ids=str,
)
def test_activations(ours, theirs):
    x = rng.standard_normal((3, 4, 5), np.float32)
    a, b = torch.from_numpy(x).requires_grad_(), tw.tensor(x, requires_grad=True)
    expected, y = eval(f"torch.nn.{theirs}")(a), ours(b)
    np.testing.assert_allclose(y.data, expected.detach().numpy(), **CLOSE)
    dy = rng.standard_normal(y.shape, np.float32)
    expected.backward(torch.from_numpy(dy))
    y.backward(dy)
    np.testing.assert_allclose(b.grad.data, a.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("MSELoss", {}),
        ("L1Loss", {}),
        ("HuberLoss", {}),
        ("HuberLoss", {"delta": 0.3}),
        ("BCELoss", {}),
        ("BCEWithLogitsLoss", {}),
    ],
)
def test_losses(name, options, reduction):
    ours = getattr(nn, name)(reduction, **options)
    theirs = getattr(torch.nn, name)(reduction=reduction, **options)
    x = rng.random((6, 3), np.float32)
    target = (rng.random((6, 3)) < 0.5).astype(np.float32)
    a, b = torch.from_numpy(x).requires_grad_(), tw.tensor(x, requires_grad=True)
    expected, loss = theirs(a, torch.from_numpy(target)), ours(b, target)
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), **CLOSE)
    expected.sum().backward()
    loss.sum().backward()
    np.testing.assert_allclose(b.grad.data, a.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignore_index", [None, -100, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy(reduction, ignore_index, smoothing, weighted):
    weight = np.array([0.5, 1, 2, 0.25], np.float32) if weighted else None
    ours = nn.CrossEntropyLoss(
        weight,
        label_smoothing=smoothing,
        ignore_index=ignore_index,
        reduction=reduction,
    )
    theirs = torch.nn.CrossEntropyLoss(
        torch.from_numpy(weight) if weighted else None,
        label_smoothing=smoothing,
        ignore_index=-1 if ignore_index is None else ignore_index,
        reduction=reduction,
    )
    x = rng.standard_normal((6, 4), np.float32)
    labels = np.array([0, 1, 2, 3, 2, 1])
    if ignore_index == -100:
        labels[3] = -100
    a, b = torch.from_numpy(x).requires_grad_(), tw.tensor(x, requires_grad=True)
    expected, loss = theirs(a, torch.from_numpy(labels)), ours(b, labels)
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), **CLOSE)
    expected.sum().backward()
    loss.sum().backward()
    np.testing.assert_allclose(b.grad.data, a.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_probabilities(reduction, smoothing, weighted):
    weight = np.array([0.5, 1, 2, 0.25], np.float32) if weighted else None
    options = {"label_smoothing": smoothing, "reduction": reduction}
    ours = nn.CrossEntropyLoss(weight, **options)
    theirs = torch.nn.CrossEntropyLoss(
        torch.from_numpy(weight) if weighted else None, **options
    )
    x = rng.standard_normal((6, 4), np.float32)
    target = rng.random((6, 4), np.float32)
    a, b = torch.from_numpy(x).requires_grad_(), tw.tensor(x, requires_grad=True)
    expected, loss = theirs(a, torch.from_numpy(target)), ours(b, target)
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), **CLOSE)
    expected.sum().backward()
    loss.sum().backward()
    np.testing.assert_allclose(b.grad.data, a.grad.numpy(), **CLOSE)


def test_depthwise_convolution():
    theirs = torch.nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)
    ours = nn.DepthwiseConv2d(3, 3, stride=2, padding=1, depth_multiplier=2)
    carry_over(theirs, ours)
    x = rng.standard_normal((2, 7, 8, 3), np.float32)
    y = ours(x)
    np.testing.assert_allclose(
        y.data, channels_last(theirs(channels_first(x))), **CLOSE
    )
    assert ours.weight.shape == (3, 3, 1, 6)


BATCH_NORMS = [
    ("BatchNorm1d", (7, 4), {}),
    ("BatchNorm1d", (3, 5, 4), {"momentum": None, "eps": 1e-2}),
    ("BatchNorm2d", (2, 3, 5, 4), {"momentum": 0.3}),
    ("BatchNorm2d", (2, 3, 5, 4), {"affine": False}),
    ("BatchNorm2d", (2, 3, 5, 4), {"track_running_stats": False}),
]


@pytest.mark.parametrize(("name", "shape", "options"), BATCH_NORMS)
def test_batch_norm(name, shape, options):
    theirs = getattr(torch.nn, name)(4, **options)
    ours = getattr(nn, name)(4, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    if ours.weight is not None:
        for key in ("weight", "bias"):
            values = rng.standard_normal(4, np.float32)
            getattr(ours, key).data[...] = values
            getattr(theirs, key).data = torch.from_numpy(values.copy())

    def first(x):
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))

    for mode in (True, True, True, False):
        ours.train(mode)
        theirs.train(mode)
        x = 5 + 3 * rng.standard_normal(shape, np.float32)
        a, b = first(x).requires_grad_(), tw.tensor(x, requires_grad=True)
        expected, y = theirs(a), ours(b)
        np.testing.assert_allclose(y.data, channels_last(expected), **CLOSE)
        dy = rng.standard_normal(shape, np.float32)
        theirs.zero_grad()
        ours.zero_grad()
        expected.backward(first(dy))
        y.backward(dy)
        np.testing.assert_allclose(b.grad.data, channels_last(a.grad), **CLOSE)
        for key in ("weight", "bias"):
            if ours.weight is not None:
                np.testing.assert_allclose(
                    getattr(ours, key).grad.data,
                    getattr(theirs, key).grad.numpy(),
                    **CLOSE,
                )
        for key, value in theirs.state_dict().items():
            mine = ours.state_dict()[key]
            np.testing.assert_allclose(mine, value.numpy(), **CLOSE)
    assert (ours.num_batches_tracked is None) == ("track_running_stats" in options)


def test_global_pooling():
    x = rng.standard_normal((2, 5, 6, 3), np.float32)
    first = channels_first(x)
    np.testing.assert_array_equal(
        nn.GlobalMaxPool2d()(x).data, first.amax((2, 3)).numpy()
    )
    np.testing.assert_allclose(
        nn.GlobalAvgPool2d()(x).data, first.mean((2, 3)).numpy(), **CLOSE
    )


def test_texts_are_pytorchs():
    for theirs, ours in [
        (torch.nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)),
        (
            torch.nn.Conv2d(2, 4, (3, 1), 2, 1, 2, 2, False),
            nn.Conv2d(2, 4, (3, 1), 2, 1, 2, 2, False),
        ),
        (torch.nn.Linear(3, 4, False), nn.Linear(3, 4, False)),
        (torch.nn.ReLU(), nn.ReLU()),
        (torch.nn.LeakyReLU(0.2), nn.LeakyReLU(0.2)),
        (
            torch.nn.Sequential(
                torch.nn.Linear(1, 2), torch.nn.Sequential(torch.nn.ReLU())
            ),
            nn.Sequential(nn.Linear(1, 2), nn.Sequential(nn.ReLU())),
        ),
        (torch.nn.Sequential(), nn.Sequential()),
    ]:
        assert repr(ours) == repr(theirs)
