import os

import numpy as np
import pytest

from tilewright.train import checkpoint, load_tree, save_tree

safetensors = pytest.importorskip(
    "safetensors.numpy", reason="checkpoints need safetensors"
)

TREE = {
    "arrays": {
        "float32": np.linspace(0, 1, 7, dtype=np.float32),
        "float64": np.array(1 / 3),
        "int64": np.arange(6).reshape(2, 3),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "empty": np.zeros((0, 4), np.float32),
    },
    "list": [1, 2.5, None, True, "text", [np.ones(2)]],
    "tuple": (0.9, 0.999),
    "by number": {0: np.zeros(1), 7: "seven"},
    "numpy scalar": np.float32(0.1),
    "big": 2**64 - 1,
    "exact": 0.1 + 0.2,
    "": {},
}


def assert_same(got, expected):
    if isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        assert got.tobytes() == np.ascontiguousarray(expected).tobytes()
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_same(got[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert type(got) is type(expected) and len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same(one, other)
    else:
        assert got == expected


def test_everything_comes_back_as_it_was(tmp_path):
    save_tree(tmp_path / "deep" / "c.safetensors", TREE)
    assert_same(load_tree(tmp_path / "deep" / "c.safetensors"), TREE)
    assert os.listdir(tmp_path / "deep") == ["c.safetensors"]


def test_old_file_survives_a_failed_write(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    save_tree(path, {"step": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_tree(path, {"step": 2})
    monkeypatch.undo()
    assert load_tree(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["c.safetensors"]


def test_file_has_the_mode_of_any_new_file(tmp_path):
    save_tree(tmp_path / "c", {})
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "c").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_damaged_file_is_named(tmp_path, keep):
    path = tmp_path / "c.safetensors"
    save_tree(path, {"a": np.ones(100)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="c.safetensors: damaged or cut short"):
        load_tree(path)


def test_foreign_missing_and_newer_files(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no such file: .*none"):
        load_tree(tmp_path / "none")
    safetensors.save_file({"w": np.ones(2)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="foreign: was not written by tilewright"):
        load_tree(tmp_path / "foreign")
    monkeypatch.setattr(checkpoint, "_FORMAT", 99)
    save_tree(tmp_path / "newer", {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="has format 99, this version reads 2"):
        load_tree(tmp_path / "newer")


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(TypeError, match="cannot save model/hook of type object"):
        save_tree(tmp_path / "c", {"model": {"hook": object()}})
