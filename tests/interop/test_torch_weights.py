"""State dicts of PyTorch, both ways: the same weights give the same outputs."""

import numpy as np
import pytest
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


class Own(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Own(), "expected Sequential and layers of tilewright.nn without hooks, got O"),
        (nn.Sequential(nn.ReLU(), Own()), "got Own at 1"),
        (nn.ModuleList([nn.ReLU()]), "ModuleList does not say in which order"),
    ],
)
def test_models_of_unknown_order_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        interop.torch.to_arrays(model)
    with pytest.raises(TypeError, match="model must be a Module, got int"):
        interop.torch.to_arrays(3)
