"""Sequential: a list of modules, and fused kernels that change no result."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tilewright as tw
from tilewright import kernels, nn, optim
from tilewright.models import mnist_cnn

rng = np.random.default_rng(0)


@pytest.fixture
def calls(monkeypatch):
    """Names of the kernels that were called, with their activation."""
    called = []

    def watch(name):
        original = getattr(kernels, name)

        def spy(*args, **options):
            kind = args[1] if name == "activation" else options.get("activation")
            called.append(name if kind in (None, "none") else f"{name} {kind}")
            return original(*args, **options)

        monkeypatch.setattr(kernels, name, spy)

    for name in (
        "conv2d",
        "conv2d_max_pool2d",
        "gemm",
        "batch_norm",
        "activation",
        "max_pool2d",
    ):
        watch(name)
    return called


def one_by_one(model, x):
    for module in model:
        x = module(x)
    return x


def run(model, x, forward):
    """Outputs and gradients of one pass."""
    x = tw.tensor(x, requires_grad=True)
    model.zero_grad()
    y = forward(model, x)
    # Of one sign, so that its sums do not cancel.
    y.backward(np.linspace(0.5, 1.5, y.size, dtype=y.dtype).reshape(y.shape))
    return [y.data, x.grad.data, *(p.grad.data for p in model.parameters())]


def assert_same(got, wanted):
    """Within the rounding that the convolution's algorithms may differ by."""
    for one, other in zip(got, wanted, strict=True):
        assert one.shape == other.shape
        assert np.linalg.norm(one - other) <= 2e-5 * np.linalg.norm(other)


IMAGES = rng.standard_normal((3, 11, 10, 2), np.float32)
ROWS = rng.standard_normal((5, 6), np.float32)
FUSED = {
    "conv relu": ([nn.Conv2d(2, 4, 3), nn.ReLU()], ["conv2d relu"]),
    "conv tanh": ([nn.Conv2d(2, 4, 3), nn.Tanh()], ["conv2d tanh"]),
    "conv relu pool": (
        [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2)],
        ["conv2d_max_pool2d relu"],
    ),
    "conv pool": (
        [nn.Conv2d(2, 4, 3, padding=1), nn.MaxPool2d((3, 2), 1)],
        ["conv2d_max_pool2d"],
    ),
    "conv pool relu": (
        [nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.ReLU()],
        ["conv2d_max_pool2d", "activation relu"],
    ),
    "conv sigmoid pool": (
        [nn.Conv2d(2, 4, 3), nn.Sigmoid(), nn.MaxPool2d(2)],
        ["conv2d sigmoid", "max_pool2d"],
    ),
    "padded pool": (
        [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(3, padding=1)],
        ["conv2d relu", "max_pool2d"],
    ),
    "conv leaky relu": (
        [nn.Conv2d(2, 4, 3), nn.LeakyReLU()],
        ["conv2d", "activation leaky_relu"],
    ),
    "conv relu relu": (
        [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ReLU()],
        ["conv2d relu", "activation relu"],
    ),
    "conv conv": ([nn.Conv2d(2, 4, 3), nn.Conv2d(4, 2, 3)], ["conv2d", "conv2d"]),
    "conv gelu": ([nn.Conv2d(2, 4, 3), nn.GELU()], ["conv2d", "activation gelu"]),
    "nested": (
        [nn.Sequential(nn.Conv2d(2, 4, 3)), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))],
        ["conv2d_max_pool2d relu"],
    ),
    "norm relu": ([nn.BatchNorm2d(2), nn.ReLU()], ["batch_norm relu"]),
    "conv norm relu pool": (
        [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)],
        ["conv2d", "batch_norm relu", "max_pool2d"],
    ),
    "norm tanh": ([nn.BatchNorm2d(2), nn.Tanh()], ["batch_norm", "activation tanh"]),
    "linear norm relu": (
        [nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU()],
        ["gemm", "batch_norm relu"],
    ),
    "linear relu": ([nn.Linear(6, 4), nn.ReLU()], ["gemm relu"]),
    "linear sigmoid": ([nn.Linear(6, 4), nn.Sigmoid()], ["gemm sigmoid"]),
    "linear alone": ([nn.Linear(6, 4), nn.Flatten()], ["gemm"]),
    "relu linear": ([nn.ReLU(), nn.Linear(6, 4)], ["activation relu", "gemm"]),
}


@pytest.mark.parametrize("name", FUSED)
def test_what_is_fused_and_that_nothing_else_changes(name, calls):
    modules, expected = FUSED[name]
    model = nn.Sequential(*modules)
    x = ROWS if "linear" in name else IMAGES
    fused = run(model, x, lambda m, x: m(x))
    assert calls[: len(expected)] == expected
    for got, wanted in zip(fused, run(model, x, one_by_one), strict=True):
        # Fused backward passes add up in another order.
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * scale)


def test_gelu_is_an_epilogue_where_nothing_is_recorded(calls):
    model = nn.Sequential(nn.Linear(6, 4), nn.GELU())
    with tw.no_grad():
        y = model(ROWS)
    assert calls == ["gemm gelu"]
    np.testing.assert_allclose(y.data, model(ROWS).data, rtol=1e-6, atol=1e-7)


def test_mnist_network_gives_the_same_fused():
    tw.manual_seed(0)
    model = mnist_cnn()
    x = rng.random((8, 28, 28, 1), np.float32)
    fused = run(model, x, lambda m, x: m(x))
    for got, wanted in zip(fused, run(model, x, one_by_one), strict=True):
        # The pooled convolution may be had by Winograd's tiles, the other not.
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_on_the_numpy_backend_fusion_keeps_every_bit():
    tw.manual_seed(0)
    model = mnist_cnn()
    x = rng.random((4, 28, 28, 1), np.float32)
    with tw.backend("numpy"):
        fused = run(model, x, lambda m, x: m(x))
        for one, other in zip(fused, run(model, x, one_by_one), strict=True):
            np.testing.assert_array_equal(one, other)


def test_mnist_network_trains_alike():
    def losses(forward):
        tw.manual_seed(1)
        model = mnist_cnn()
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        x = np.random.default_rng(0).random((16, 28, 28, 1), np.float32)
        found = []
        for _ in range(5):
            loss = nn.functional.cross_entropy(forward(model, x), np.arange(16) % 10)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    fused = losses(lambda model, x: model(x))
    assert fused[-1] < fused[0]
    np.testing.assert_allclose(fused, losses(one_by_one), rtol=1e-4)


class Doubled(nn.ReLU):
    def forward(self, x):
        return super().forward(x) * 2.0


class Called(nn.ReLU):
    def __call__(self, x):
        return super().__call__(x) * 2.0


def own_forward():
    layer = nn.ReLU()
    layer.forward = lambda x: nn.functional.relu(x) * 2.0
    return layer


def hooked():
    layer = nn.ReLU()
    layer.register_forward_hook(lambda module, args, y: y * 2.0)
    return layer


@pytest.mark.parametrize("make", [Doubled, Called, own_forward, hooked])
def test_changed_activations_are_not_fused(make, calls):
    conv = nn.Conv2d(2, 4, 3)
    y = nn.Sequential(conv, make(), nn.MaxPool2d(2))(IMAGES)
    assert calls == ["conv2d", "activation relu", "max_pool2d"]
    plain = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2))(IMAGES)
    np.testing.assert_allclose(y.data, plain.data * 2, rtol=1e-6)


def test_subclass_without_a_forward_of_its_own_is_fused(calls):
    class Named(nn.Conv2d):
        pass

    nn.Sequential(Named(2, 4, 3), nn.ReLU())(IMAGES)
    assert calls == ["conv2d relu"]


def test_changes_after_the_first_call_are_seen(calls):
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    model(IMAGES)
    seen = []
    handle = model[1].register_forward_hook(lambda m, args, y: seen.append(y.shape))
    model(IMAGES)
    assert seen == [(3, 9, 8, 4)]
    handle.remove()
    handle.remove()
    model(IMAGES)
    assert len(seen) == 1
    model[2].padding = 1
    assert model(IMAGES).shape == (3, 5, 5, 4)
    model[2] = nn.AvgPool2d(2)
    model(IMAGES)
    model[0].stride = 2
    assert model(IMAGES).shape == (3, 2, 2, 4)
    assert calls[:3] == ["conv2d_max_pool2d relu", "conv2d", "activation relu"]
    inner = nn.Sequential(nn.Linear(6, 4))
    outer = nn.Sequential(inner)
    assert outer(ROWS).data.min() < 0
    inner.append(nn.ReLU())
    assert outer(ROWS).data.min() == 0


def test_a_sequential_subclass_and_a_hooked_one_run_their_own_way():
    class Shifted(nn.Sequential):
        def forward(self, x):
            return super().forward(x) + 1.0

    inner = Shifted(nn.ReLU())
    np.testing.assert_allclose(
        nn.Sequential(inner)(ROWS).data, np.maximum(ROWS, 0) + 1, rtol=1e-6
    )
    inner = nn.Sequential(nn.ReLU())
    inner.register_forward_hook(lambda module, args, y: y + 1.0)
    np.testing.assert_allclose(
        nn.Sequential(inner)(ROWS).data, np.maximum(ROWS, 0) + 1, rtol=1e-6
    )


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_runs_its_own_modules(copied):
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU())
    before = model(ROWS).data
    other = copied(model)
    np.testing.assert_array_equal(other(ROWS).data, before)
    nn.init.zeros_(other[0].weight)
    nn.init.zeros_(other[0].bias)
    assert not other(ROWS).data.any()
    np.testing.assert_array_equal(model(ROWS).data, before)


@pytest.mark.parametrize("kind", [nn.Sequential, lambda *m: nn.ModuleList(m)])
def test_as_a_list(kind):
    a, b, c, d = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3), nn.Tanh()
    row = kind(a, b)
    assert row.append(d) is row and list(row) == [a, b, d] and len(row) == 3
    row.insert(2, c)
    row.extend([b])
    assert list(row) == [a, b, c, d, b] and row[-2] is d
    assert type(row[1:3]) is type(row) and list(row[1:3]) == [b, c]
    row[0] = c
    del row[-1], row[1:2]
    assert list(row) == [c, c, d]
    assert [name for name, _ in row.named_children()] == ["0", "1", "2"]
    assert [name for name, _ in row.named_parameters()] == ["0.weight", "0.bias"]
    assert len(row.state_dict()) == 4
    with pytest.raises(IndexError, match=r"index must be in \[-3, 3\), got 3"):
        row[3]


def test_list_errors():
    with pytest.raises(TypeError, match=r"got the class ReLU; write ReLU\(\)"):
        nn.Sequential(nn.Linear(1, 1), nn.ReLU)
    with pytest.raises(TypeError, match="Sequential: module 0 must be a Module, got l"):
        nn.Sequential([nn.ReLU()])
    row = nn.ModuleList([nn.ReLU()])
    with pytest.raises(TypeError, match="ModuleList: module 2 must be a Module, got i"):
        row.extend([nn.ReLU(), 3])
    assert len(row) == 1
    with pytest.raises(TypeError, match="module 1 must be a Module, got NoneType"):
        row.append(None)
    with pytest.raises(NotImplementedError, match="is not called itself"):
        row(ROWS)


def test_empty_sequential_passes_its_input():
    x = tw.tensor(ROWS)
    assert nn.Sequential()(x) is x
    assert isinstance(nn.Sequential()(ROWS), tw.Tensor)


def test_errors_come_from_the_layer_that_refuses():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    with pytest.raises(ValueError, match="x has 2 channels but weight expects 3"):
        model(IMAGES)
