"""State dicts of PyTorch, both ways: the same weights give the same outputs."""

import numpy as np
import pytest
from branching import BRANCHING, branching, results, samples
from networks import NETWORKS, inputs, network, outputs

import tilewright as tw
from tilewright import interop, nn

torch = pytest.importorskip("torch", reason="compares with PyTorch")
from torch_twins import run, twin  # noqa: E402


@pytest.mark.parametrize("name", NETWORKS)
def test_to_torch(name):
    model = network(name)
    other = twin(model)
    other.load_state_dict(interop.torch.to_state_dict(model))
    x = inputs(name)
    np.testing.assert_allclose(run(other, x), outputs(model, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("by", ["name", "order"])
@pytest.mark.parametrize("name", NETWORKS)
def test_from_torch(name, by):
    torch.manual_seed(0)
    model = network(name)
    other = twin(model)
    state = other.state_dict()
    if by == "order":
        state = {f"renamed_{number}": v for number, v in enumerate(state.values())}
    result = interop.torch.load_state_dict(model, state, by=by)
    assert result.missing == [] and result.unexpected == []
    x = inputs(name)
    np.testing.assert_allclose(outputs(model, x), run(other, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back_is_the_same_bits(name):
    model, other = network(name), network(name, seed=5)
    interop.torch.load_state_dict(other, interop.torch.to_state_dict(model))
    for key, array in model.state_dict().items():
        assert array.tobytes() == other.state_dict()[key].tobytes(), key


def test_through_safetensors_files(tmp_path):
    load_file = pytest.importorskip(
        "safetensors.torch", reason="reads the file as PyTorch users do"
    )
    model = network("flat")
    path = tmp_path / "model.safetensors"
    tw.save(interop.torch.to_arrays(model), path)
    other = twin(model)
    other.load_state_dict(load_file.load_file(path))
    x = inputs("flat")
    np.testing.assert_allclose(run(other, x), outputs(model, x), atol=1e-5)
    load_file.save_file(other.state_dict(), path)
    again = network("flat", seed=3)
    interop.torch.load_state_dict(again, tw.load(path))
    np.testing.assert_array_equal(outputs(again, x), outputs(model, x))


def test_half_precision_widens():
    model = nn.Linear(3, 2)
    half = {k: v.half() for k, v in twin(model).state_dict().items()}
    interop.torch.load_state_dict(model, half)
    assert model.weight.dtype == np.float32
    brain = {k: v.bfloat16() for k, v in twin(model).state_dict().items()}
    interop.torch.load_state_dict(model, brain)
    np.testing.assert_array_equal(model.bias.data, brain["bias"].float().numpy())


def test_what_does_not_fit_is_named_and_nothing_is_loaded():
    model = network("mnist-cnn")
    before = model.state_dict()
    state = interop.torch.to_state_dict(model)
    del state["0.bias"]
    state["9.weight"] = torch.zeros(64, 500)
    with pytest.raises(ValueError, match=r"missing: 0.bias; 9.weight must have shape"):
        interop.torch.load_state_dict(model, state)
    with pytest.raises(ValueError, match="has 9 arrays, the model 10"):
        interop.torch.load_state_dict(model, state, by="order")
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[key])
    with pytest.raises(TypeError, match="0.weight must be a torch tensor or a NumPy"):
        interop.torch.load_state_dict(model, {"0.weight": [1.0]})
    with pytest.raises(ValueError, match="by must be 'name' or 'order', got 'x'"):
        interop.torch.load_state_dict(model, {}, by="x")


class Twin(torch.nn.Module):
    """The residual network of `branching` in PyTorch, with the same names."""

    class Block(torch.nn.Module):
        def __init__(self, channels, out, stride=1):
            super().__init__()
            tnn = torch.nn
            self.conv1 = tnn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.bn1 = tnn.BatchNorm2d(out)
            self.conv2 = tnn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn2 = tnn.BatchNorm2d(out)
            if stride != 1 or channels != out:
                self.down = tnn.Sequential(
                    tnn.Conv2d(channels, out, 1, stride, bias=False),
                    tnn.BatchNorm2d(out),
                )

        def forward(self, x):
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            return (y + (self.down(x) if hasattr(self, "down") else x)).relu()

    def __init__(self):
        super().__init__()
        tnn = torch.nn
        self.stem = tnn.Sequential(
            tnn.Conv2d(3, 4, 3, 1, 1), tnn.ReLU(), tnn.MaxPool2d(3, 2, 1)
        )
        self.blocks = tnn.Sequential(self.Block(4, 4), self.Block(4, 6, 2))
        self.fc = tnn.Linear(6, 5)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


class DenseTwin(torch.nn.Module):
    """Features of flattened images, joined from three places."""

    def __init__(self):
        super().__init__()
        tnn = torch.nn
        self.first = tnn.Conv2d(2, 3, 3, padding=1)
        self.second = tnn.Conv2d(5, 4, 3, padding=1)
        self.pool = tnn.AvgPool2d(2)
        self.fc = tnn.Linear(4 * 3 * 4 + 5 * 3 * 4 + 5, 6)
        self.norm = tnn.BatchNorm1d(6)

    def forward(self, x):
        a = torch.cat([x, self.first(x).tanh()], 1)
        rows = [self.pool(self.second(a)).flatten(1), self.pool(a).flatten(1)]
        return self.norm(self.fc(torch.cat([*rows, a.amax((2, 3))], 1)))


@pytest.mark.parametrize(("name", "kind"), [("residual", Twin), ("dense", DenseTwin)])
def test_networks_that_branch(name, kind):
    model, other = branching(name), kind()
    shapes, (x,) = BRANCHING[name][1], samples(name)
    other.load_state_dict(interop.torch.to_state_dict(model, shapes))
    np.testing.assert_allclose(run(other, x), results(model, [x])[0], atol=1e-5)
    again = branching(name, seed=5)
    assert np.abs(results(again, [x])[0] - results(model, [x])[0]).max() > 1e-2
    state = other.state_dict()
    interop.torch.load_state_dict(again, state, input_shape=shapes)
    for key, array in model.state_dict().items():
        assert array.tobytes() == again.state_dict()[key].tobytes(), key
    # What does not fit is named, and nothing is loaded.
    del state["fc.bias"]
    state["fc.weight"] = torch.zeros(6, 6)
    other = branching(name, seed=6)
    before = results(other, [x])[0]
    with pytest.raises(ValueError, match="missing: fc.bias; fc.weight must have shape"):
        interop.torch.load_state_dict(other, state, input_shape=shapes)
    np.testing.assert_array_equal(results(other, [x])[0], before)


class Normed(nn.Module):
    """A norm over flattened features, a linear layer of a subclass, and a sum."""

    class Own(nn.Linear):
        pass

    def __init__(self):
        self.conv, self.norm = nn.Conv2d(1, 3, 2), nn.BatchNorm1d(12)
        self.fc, self.last = self.Own(12, 4), nn.Linear(4, 2)

    def forward(self, x):
        rows = self.conv(x).reshape(len(x), -1)
        return self.last(self.fc(self.norm(rows) + rows.tanh() * 0.5))


class NormedTwin(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(1, 3, 2), torch.nn.BatchNorm1d(12)
        self.fc, self.last = torch.nn.Linear(12, 4), torch.nn.Linear(4, 2)

    def forward(self, x):
        rows = self.conv(x).flatten(1)
        return self.last(self.fc(self.norm(rows) + rows.tanh() * 0.5))


def test_features_are_followed_through_sums_and_norms():
    model, other = Normed().eval(), NormedTwin().eval()
    rng = np.random.default_rng(0)
    model.norm.weight.data[...] = rng.normal(0, 1, 12)
    model.norm.running_mean[...] = rng.normal(0, 1, 12)
    other.load_state_dict(interop.torch.to_state_dict(model, (3, 3, 1)))
    x = rng.normal(0, 1, (4, 3, 3, 1)).astype(np.float32)
    np.testing.assert_allclose(run(other, x), results(model, [x])[0], atol=1e-5)


class Own(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)


class Mixed(nn.Module):
    """Features of flattened images, treated so that their order matters."""

    def __init__(self, how):
        self.how = how
        self.conv, self.fc = nn.Conv2d(1, 2, 2), nn.Linear(8, 8)
        self.scale = nn.Parameter(np.ones(8, np.float32))

    def forward(self, x):
        rows = nn.functional.flatten(self.conv(x), 1)
        if self.how == "twice":
            return self.fc(self.fc(rows))
        if self.how == "scaled":
            return rows * self.scale
        return rows[:, ::-1] if self.how == "turned" else rows @ rows.T


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("twice", "fc is used for features of images that were flattened and for o"),
        ("scaled", "Multiply does something with the features"),
        ("turned", "GetItem does something with the features"),
        ("product", "MatMul does something|Permute does something"),
    ],
)
def test_orders_that_cannot_be_kept_are_refused(how, message):
    with pytest.raises(ValueError, match=message):
        interop.torch.to_arrays(Mixed(how), (3, 3, 1))


@pytest.mark.parametrize(
    "model", [Mixed("twice"), nn.Sequential(nn.Conv2d(1, 1, 1), Own())]
)
def test_models_of_unknown_order_ask_for_a_shape(model):
    with pytest.raises(ValueError, match="to_arrays: .* give input_shape"):
        interop.torch.to_arrays(model)


def test_single_layers_and_rows_with_a_shape():
    layer = nn.Linear(3, 2)
    arrays = interop.torch.to_arrays(layer, (3,))
    np.testing.assert_array_equal(arrays["weight"], layer.weight.data.T)
    row = network("flat")
    for key, array in interop.torch.to_arrays(row).items():
        with_shape = interop.torch.to_arrays(row, NETWORKS["flat"][1])
        np.testing.assert_array_equal(array, with_shape[key])


def test_models_without_convolutions_need_no_shape():
    arrays = interop.torch.to_arrays(Own())
    assert list(arrays) == ["layer.weight", "layer.bias"]
    with pytest.raises(TypeError, match="model must be a Module, got int"):
        interop.torch.to_arrays(3)
