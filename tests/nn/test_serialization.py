"""tw.save and tw.load: the same arrays again, or an error and the old file."""

from __future__ import annotations

import os

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn
from tilewright.models import mnist_cnn

safetensors = pytest.importorskip(
    "safetensors.numpy", reason="saving weights needs safetensors"
)

ARRAYS = {
    "z": np.linspace(0, 1, 7, dtype=np.float32),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "foreign": np.arange(3, dtype=">f4"),
    "strided": np.arange(10, dtype=np.int64)[::3],
    "scalar": np.array(0.1),
    "empty": np.zeros((0, 4), np.float32),
    "flags": np.array([True, False]),
    "a": np.array([np.nan, np.inf, -0.0], np.float32),
}


def test_model_comes_back(tmp_path):
    model, other = mnist_cnn(), mnist_cnn()
    tw.save(model, tmp_path / "deep" / "model.safetensors")
    weights = tw.load(tmp_path / "deep" / "model.safetensors")
    assert list(weights) == list(model.state_dict())
    other.load_state_dict(weights)
    x = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
    np.testing.assert_array_equal(other(x).data, model(x).data)
    assert os.listdir(tmp_path / "deep") == ["model.safetensors"]


def test_arrays_of_any_kind_come_back(tmp_path):
    path = tmp_path / "arrays.safetensors"
    tw.save({**ARRAYS, "tensor": tw.tensor([1.0, 2.0])}, str(path))
    loaded = tw.load(str(path))
    assert list(loaded) == [*ARRAYS, "tensor"]
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("=")
        assert loaded[name].shape == array.shape
        np.testing.assert_array_equal(loaded[name], array)
    assert loaded["tensor"].tolist() == [1, 2]


def test_files_of_others_are_read(tmp_path):
    (tmp_path / "theirs").write_bytes(safetensors.save({"x": ARRAYS["z"]}))
    assert tw.load(tmp_path / "theirs")["x"].tolist() == ARRAYS["z"].tolist()
    # An order that is not of this file's names is not believed.
    (tmp_path / "edited").write_bytes(
        safetensors.save({"x": ARRAYS["z"]}, {"tilewright.order": '["y"]'})
    )
    assert list(tw.load(tmp_path / "edited")) == ["x"]


def test_pytorch_reads_what_we_write(tmp_path):
    pytest.importorskip("torch", reason="compares with PyTorch")
    from safetensors.torch import load_file

    model = nn.Linear(3, 2)
    tw.save(model, tmp_path / "linear.safetensors")
    theirs = load_file(tmp_path / "linear.safetensors")
    np.testing.assert_array_equal(theirs["weight"].numpy(), model.weight.data)


def test_old_file_survives_a_failed_write(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    model = nn.Linear(2, 2)
    tw.save(model, path)
    before = path.read_bytes()
    nn.init.zeros_(model.weight)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        tw.save(model, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_cut_short(tmp_path, kept):
    path = tmp_path / "model.safetensors"
    tw.save(nn.Linear(4, 4), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="model.safetensors: damaged or cut short"):
        tw.load(path)


def test_no_safetensors_at_all(tmp_path):
    (tmp_path / "text").write_text("not weights, and more than eight bytes")
    with pytest.raises(ValueError, match="text: damaged or cut short"):
        tw.load(tmp_path / "text")
    with pytest.raises(FileNotFoundError, match="no such file: .*nothing"):
        tw.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no such file"):
        tw.load(tmp_path)


def test_a_type_that_numpy_lacks(tmp_path):
    torch = pytest.importorskip("torch", reason="writes bfloat16 by PyTorch")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(2, dtype=torch.bfloat16)}, tmp_path / "half")
    with pytest.raises(ValueError, match=r"half: (x is of a type|damaged)"):
        tw.load(tmp_path / "half")


@pytest.mark.parametrize(
    ("what", "name", "kind", "text"),
    [
        ([1], "x", TypeError, "model must be a Module or a dict of arrays, got list"),
        (
            {"x": 1},
            "x",
            TypeError,
            "save: x must be a NumPy array or a Tensor, got int",
        ),
        ({1: np.zeros(1)}, "x", TypeError, "save: names must be text, got 1"),
        ({"x": np.array(["a"])}, "x", TypeError, "save: x must be of numbers, got <U1"),
        ({}, "m.npz", ValueError, "must not end in .npz.*write m.safetensors"),
    ],
)
def test_what_cannot_be_saved(tmp_path, what, name, kind, text):
    with pytest.raises(kind, match=text):
        tw.save(what, tmp_path / name)
    assert os.listdir(tmp_path) == []
