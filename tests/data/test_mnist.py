import os

import numpy as np
import pytest
from mnist_files import NAMES, checksums, expect_set, small_set, write_set

from tilewright import data
from tilewright.data import mnist, mnist_folder, mnist_sample
from tilewright.data.mnist import load_mnist_format


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("TILEWRIGHT_DATA_DIR", raising=False)
    monkeypatch.setenv("TILEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["", "mnist"])
def test_explicit_root(monkeypatch, tmp_path, packed, below):
    contents = small_set()
    expect_set(monkeypatch, contents)
    write_set(tmp_path / below, contents, packed)
    train, test = mnist(tmp_path)
    assert train.x.shape == (50, 28, 28, 1) and test.x.shape == (20, 28, 28, 1)
    assert train.x.dtype == np.float32 and train.y.dtype == np.int64
    pixels = np.frombuffer(contents[NAMES[0]], np.uint8, offset=16)
    np.testing.assert_array_equal(
        train.x.ravel(), pixels.astype(np.float32) / np.float32(255)
    )
    np.testing.assert_array_equal(test.y, np.arange(20) % 10)


def test_data_dir_comes_before_the_cache(monkeypatch, tmp_path):
    contents = small_set()
    expect_set(monkeypatch, contents)
    write_set(tmp_path / "cache" / "mnist", contents)
    assert mnist_folder() == tmp_path / "cache" / "mnist"
    write_set(tmp_path / "named" / "mnist", contents, packed=True)
    monkeypatch.setenv("TILEWRIGHT_DATA_DIR", str(tmp_path / "named"))
    assert mnist_folder() == tmp_path / "named" / "mnist"
    assert len(mnist()[0]) == 50


def test_data_dir_without_mnist_falls_through(monkeypatch, tmp_path):
    monkeypatch.setenv("TILEWRIGHT_DATA_DIR", str(tmp_path))
    assert mnist_folder() is None


def test_half_a_cache_is_not_taken_for_mnist(tmp_path):
    contents = small_set()
    del contents[NAMES[2]]
    write_set(tmp_path / "cache" / "mnist", contents)
    assert mnist_folder() is None


def test_missing_files_are_named(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"has none of the files {NAMES[0]}"):
        mnist(tmp_path)
    contents = small_set()
    expect_set(monkeypatch, contents)
    del contents[NAMES[2]]
    write_set(tmp_path / "mnist", contents)
    monkeypatch.setenv("TILEWRIGHT_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"{NAMES[2]} .* is missing"):
        mnist()


@pytest.mark.parametrize("name", NAMES)
def test_wrong_file_is_named_with_both_checksums(monkeypatch, tmp_path, name):
    contents = small_set()
    expect_set(monkeypatch, contents)
    right = checksums(contents)[name]
    contents[name] = contents[name][:-1] + b"\x0b"
    wrong = checksums(contents)[name]
    write_set(tmp_path, contents)
    message = f"{name}: wrong content: expected SHA-256 {right} .* got {wrong}"
    with pytest.raises(ValueError, match=message):
        mnist(tmp_path)


def test_truncated_gzip_is_named_with_both_checksums(monkeypatch, tmp_path):
    contents = small_set()
    expect_set(monkeypatch, contents)
    write_set(tmp_path, contents, packed=True)
    path = tmp_path / f"{NAMES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    right = checksums(contents)[NAMES[0]]
    with pytest.raises(ValueError, match=f"{NAMES[0]}.gz: .*{right}.* cut short"):
        mnist(tmp_path)


def test_images_and_labels_must_be_as_many(tmp_path):
    contents = small_set()
    contents[NAMES[1]] = small_set(train=49)[NAMES[1]]
    write_set(tmp_path, contents)
    with pytest.raises(ValueError, match="50 images but 49 labels"):
        load_mnist_format(tmp_path)


def test_sample_is_even_and_small():
    train, test = mnist_sample()
    assert np.bincount(train.y).tolist() == [600] * 10
    assert np.bincount(test.y).tolist() == [100] * 10
    assert train.x.shape == (6000, 28, 28, 1) and test.x.shape == (1000, 28, 28, 1)
    assert train.x.dtype == np.float32 and train.y.dtype == np.int64
    assert train.x.min() == 0 and train.x.max() == 1
    folder = os.path.dirname(data.__file__)
    assert os.path.getsize(os.path.join(folder, "mnist_sample.npz")) < 1_300_000
    with open(os.path.join(folder, "mnist_sample.txt"), encoding="utf-8") as note:
        text = note.read()
    assert "CC BY-SA 3.0" in text and "http://yann.lecun.com/exdb/mnist/" in text


@pytest.fixture
def real_folder():
    """The machine's MNIST, looked up before `nowhere` hides it."""
    if not REAL_FOLDER:
        pytest.skip("all of MNIST is not on this machine (set TILEWRIGHT_DATA_DIR)")
    return REAL_FOLDER


REAL_FOLDER = mnist_folder()


def test_sample_is_drawn_from_mnist(real_folder):
    for whole, sample in zip(mnist(real_folder), mnist_sample(), strict=True):
        rows = {image.tobytes(): i for i, image in enumerate(whole.x)}
        found = [rows[image.tobytes()] for image in sample.x]
        np.testing.assert_array_equal(whole.y[found], sample.y)
        assert found == sorted(found) and len(set(found)) == len(found)


def test_real_mnist(real_folder):
    train, test = mnist(real_folder)
    assert train.x.shape == (60000, 28, 28, 1) and test.x.shape == (10000, 28, 28, 1)
    # Counts of each digit as the data set's authors give them.
    assert np.bincount(train.y).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert round(float(train.x.mean(dtype=np.float64)), 4) == 0.1307
