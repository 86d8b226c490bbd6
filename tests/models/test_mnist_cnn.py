import numpy as np
import pytest

import tilewright as tw
from tilewright.models import load_model, mnist_cnn, model_entry, save_model

needs_safetensors = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("safetensors") is None,
    reason="model files need safetensors",
)


def images(size=3):
    rng = np.random.default_rng(0)
    return rng.random((size, 28, 28, 1), np.float32)


def test_parameters_and_output():
    model = mnist_cnn()
    assert sum(p.data.size for p in model.parameters()) == 93_322
    assert model(images()).shape == (3, 10)
    assert mnist_cnn(4)(images()).shape == (3, 4)
    with pytest.raises(ValueError, match="classes must be >= 1, got 0"):
        mnist_cnn(0)


def test_seed_decides_the_weights():
    def weights(seed):
        tw.manual_seed(seed)
        return b"".join(a.tobytes() for a in mnist_cnn().state_dict().values())

    assert weights(0) == weights(0) != weights(1)


def test_registry():
    assert model_entry("mnist-cnn").build(10)(images()).shape == (3, 10)
    with pytest.raises(ValueError, match="unknown model 'vgg'; expected one of mnist"):
        model_entry("vgg")


@needs_safetensors
def test_file_holds_what_use_needs(tmp_path):
    model = mnist_cnn(3)
    save_model(tmp_path / "model.safetensors", model, "mnist-cnn", ["a", "b", "c"])
    for path in (tmp_path, tmp_path / "model.safetensors"):
        saved = load_model(path)
        assert (saved.name, saved.classes) == ("mnist-cnn", ["a", "b", "c"])
        assert not saved.model.training
        np.testing.assert_array_equal(saved.model(images()).data, model(images()).data)
    weights = tw.load(tmp_path / "model.safetensors")
    assert list(weights) == list(model.state_dict())


@needs_safetensors
def test_files_that_are_no_models(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such model file"):
        load_model(tmp_path)
    tw.save(mnist_cnn(), tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="does not say which model it is"):
        load_model(tmp_path / "weights.safetensors")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_model(tmp_path / "text")
