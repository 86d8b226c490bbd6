"""Published data sets: found, fetched in pieces, checked, and read."""

import gzip
import hashlib
import io
import sys
import tarfile

import numpy as np
import pytest
from mirrors import Mirror
from mnist_files import idx_bytes

from tilewright import data, keras
from tilewright.data import DownloadError
from tilewright.data.published import PublishedFile, published_bytes

pytest.importorskip("pooch", reason="downloading needs pooch")

CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    monkeypatch.delenv("TILEWRIGHT_DATA_DIR", raising=False)
    monkeypatch.setenv("TILEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    server = Mirror()
    server.files["file"] = CONTENT
    server.knows_ranges = True
    yield server
    server.close()


def published(mirror, content=CONTENT, name="file"):
    sha256 = hashlib.sha256(content).hexdigest()
    return PublishedFile(name, sha256, (mirror.url + name,))


def parts(folder):
    return [path for path in folder.rglob("*.part")]


def test_broken_connection_is_taken_up_within_one_call(mirror, tmp_path):
    mirror.cut.add("file")
    mirror.cut_above = 20_000
    assert published_bytes("set", [published(mirror)]) == [CONTENT]
    starts = [int(text[6:-1]) for text in mirror.ranges]
    assert len(starts) > 3 and starts == sorted(set(starts))
    assert len(CONTENT) // 2 - 4096 < starts[0] <= len(CONTENT) // 2
    assert parts(tmp_path) == []
    before = len(mirror.requests)
    published_bytes("set", [published(mirror)])
    assert len(mirror.requests) == before  # from the cache


def test_later_call_fetches_the_rest_alone(mirror, tmp_path):
    mirror.knows_ranges = False
    mirror.cut.add("file")
    with pytest.raises(DownloadError):
        published_bytes("set", [published(mirror)])
    (part,) = parts(tmp_path)
    size = part.stat().st_size
    assert size > 100_000 and part.read_bytes() == CONTENT[:size]
    mirror.knows_ranges = True
    mirror.cut.clear()
    assert published_bytes("set", [published(mirror)]) == [CONTENT]
    assert mirror.ranges == [f"bytes={size}-"]


@pytest.mark.parametrize("knows_ranges", [False, True])
def test_beginning_of_another_edition_is_dropped(mirror, tmp_path, knows_ranges):
    mirror.cut.add("file")
    mirror.knows_ranges = False
    mirror.files["file"] = CONTENT[::-1]
    with pytest.raises(DownloadError):
        published_bytes("set", [published(mirror)])
    assert len(parts(tmp_path)) == 1
    mirror.files["file"] = CONTENT
    mirror.cut.clear()
    mirror.knows_ranges = knows_ranges
    assert published_bytes("set", [published(mirror)]) == [CONTENT]
    assert parts(tmp_path) == []


def test_beginning_longer_than_the_file_is_dropped(mirror, tmp_path):
    mirror.cut.add("file")
    mirror.knows_ranges = False
    mirror.files["file"] = CONTENT * 2
    with pytest.raises(DownloadError):
        published_bytes("set", [published(mirror)])
    mirror.files["file"] = CONTENT
    mirror.cut.clear()
    mirror.knows_ranges = True
    assert published_bytes("set", [published(mirror)]) == [CONTENT]


def test_wrong_file_is_refused_wherever_it_lies(mirror, monkeypatch, tmp_path):
    file = published(mirror)
    mirror.files["file"] = b"<html>we moved</html>"
    with pytest.raises(DownloadError, match=f"expected SHA-256 {file.sha256}, got "):
        published_bytes("set", [file])
    assert not list((tmp_path / "cache").rglob("*.*"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "file").write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=r"set.file: wrong content: .*of 299999 bytes"):
        published_bytes("set", [file], tmp_path)
    monkeypatch.setenv("TILEWRIGHT_DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match="wrong content"):
        published_bytes("set", [file])
    with pytest.raises(FileNotFoundError, match="set: .* has no file file"):
        published_bytes("set", [file], tmp_path / "cache")


def serve(mirror, monkeypatch, module, contents):
    """Make `contents` what a data set's module takes for the published files."""
    mirror.files.update(contents)
    files = tuple(published(mirror, content, n) for n, content in contents.items())
    monkeypatch.setattr(sys.modules[f"tilewright.data.{module}"], "FILES", files)


def in_pieces(mirror):
    """Break each connection while much of a file is left."""
    mirror.cut.update(mirror.files)
    mirror.cut_above = 10_000


def test_fashion_mnist(mirror, monkeypatch):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 28, 28)), np.arange(40) % 10
    names = [file.name for file in sys.modules["tilewright.data.fashion_mnist"].FILES]
    arrays = [images[:30], labels[:30], images[30:], labels[30:]]
    packed = [gzip.compress(idx_bytes(array)) for array in arrays]
    serve(mirror, monkeypatch, "fashion_mnist", dict(zip(names, packed, strict=True)))
    in_pieces(mirror)
    (x, y), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
    assert len(mirror.ranges) > 2
    assert x.dtype == y.dtype == np.uint8
    for got, expected in zip((x, y, x_test, y_test), arrays, strict=True):
        np.testing.assert_array_equal(got, expected)
    train, test = data.fashion_mnist()
    assert train.x.shape == (30, 28, 28, 1) and train.x.dtype == np.float32
    np.testing.assert_array_equal(test.y, labels[30:])
    np.testing.assert_array_equal(
        test.x[..., 0], images[30:].astype(np.float32) / np.float32(255)
    )
    assert len(data.FASHION_MNIST_CLASSES) == 10


def test_cifar10(mirror, monkeypatch):
    rng = np.random.default_rng(0)
    archive = io.BytesIO()
    batches = []
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
            records = rng.integers(0, 256, (4, 3073)).astype(np.uint8)
            records[:, 0] %= 10
            batches.append(records)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = records.nbytes
            tar.addfile(member, io.BytesIO(records.tobytes()))
    serve(
        mirror, monkeypatch, "cifar10", {"cifar-10-binary.tar.gz": archive.getvalue()}
    )
    in_pieces(mirror)
    (x, y), (x_test, y_test) = keras.datasets.cifar10.load_data()
    assert len(mirror.ranges) > 2
    assert x.shape == (20, 32, 32, 3) and y.shape == (20, 1)
    assert x.dtype == y.dtype == np.uint8
    planes = batches[5][:, 1:].reshape(4, 3, 32, 32)
    np.testing.assert_array_equal(x_test, planes.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(y_test[:, 0], batches[5][:, 0])
    train, test = data.cifar10()
    assert train.x.shape == (20, 32, 32, 3) and test.x.shape == (4, 32, 32, 3)
    assert train.x.dtype == np.float32 and train.x.flags.c_contiguous
    np.testing.assert_array_equal(train.y[8:12], batches[2][:, 0])
    # A record is a label and three planes; here red of row 1, green of row 2.
    assert test.x[3, 1, 5, 0] == np.float32(batches[5][3, 1 + 37]) / np.float32(255)
    green = batches[5][3, 1 + 1024 + 2 * 32 + 5]
    assert test.x[3, 2, 5, 1] == np.float32(green) / np.float32(255)


def test_a_wrong_file_never_reaches_keras(mirror, monkeypatch):
    contents = {"cifar-10-binary.tar.gz": b"the archive"}
    serve(mirror, monkeypatch, "cifar10", contents)
    mirror.files["cifar-10-binary.tar.gz"] = b"another archive"
    with pytest.raises(DownloadError, match="expected SHA-256"):
        keras.datasets.cifar10.load_data()


def test_tiny_shakespeare(mirror, monkeypatch):
    text = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 20
    serve(mirror, monkeypatch, "tiny_shakespeare", {"input.txt": text.encode()})
    plays = data.tiny_shakespeare(steps=10)
    assert plays.decode(plays.train.x[1]) == text[10:20]
    assert plays.decode(plays.train.y[1]) == text[11:21]
    cut = round(len(text) * 0.9)
    assert plays.decode(plays.test.x[0]) == text[cut : cut + 10]
    assert plays.encode("Citizen").tolist() == [
        plays.vocabulary.index(character) for character in "Citizen"
    ]
    with pytest.raises(ValueError, match="encode: 'é' is not in the vocabulary"):
        plays.encode("né")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be >= 1, got 0"),
        ({"steps": 30}, "the test part has 10 characters, but a window needs 31"),
        ({"test_size": 1.0}, r"test_size must be in \(0, 1\), got 1.0"),
    ],
)
def test_bad_windows(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.character_data("abcdefghij" * 10, **arguments)
