"""Downloads from mirrors on this machine: good, dead, corrupt and cut short."""

import gzip
import sys

import pytest
from mirrors import Mirror
from mnist_files import NAMES, checksums, expect_set, small_set

from tilewright.data import DownloadError, mnist, mnist_folder

pytest.importorskip("pooch", reason="downloading needs pooch")


@pytest.fixture
def mirror():
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def second_mirror():
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def contents(monkeypatch, tmp_path):
    monkeypatch.delenv("TILEWRIGHT_DATA_DIR", raising=False)
    monkeypatch.setenv("TILEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    contents = small_set()
    expect_set(monkeypatch, contents)
    return contents


@pytest.fixture
def use_mirrors(monkeypatch):
    def use(*urls):
        monkeypatch.setattr(sys.modules["tilewright.data.mnist"], "MIRRORS", urls)

    return use


def packed(contents):
    return {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}


def left_in(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_downloads_once_and_keeps_what_was_checked(
    mirror, contents, use_mirrors, tmp_path
):
    mirror.files = packed(contents)
    use_mirrors(mirror.url)
    train, test = mnist()
    assert (len(train), len(test)) == (50, 20)
    assert sorted(mirror.requests) == sorted(mirror.files)
    assert left_in(tmp_path) == sorted(NAMES)
    assert mnist_folder() == tmp_path / "cache" / "mnist"
    assert len(mnist()[0]) == 50
    assert len(mirror.requests) == 4


def test_mirror_whose_transport_unpacks_the_files(mirror, contents, use_mirrors):
    mirror.files = packed(contents)
    mirror.transport_gzip = True
    use_mirrors(mirror.url)
    assert len(mnist()[0]) == 50


def test_second_mirror_where_the_first_is_dead(mirror, contents, use_mirrors):
    dead = Mirror()
    dead.close()
    mirror.files = packed(contents)
    use_mirrors(dead.url, mirror.url)
    assert len(mnist()[0]) == 50
    assert len(mirror.requests) == 4


@pytest.mark.parametrize("fault", ["missing", "corrupt", "cut", "error page"])
def test_second_mirror_where_the_first_is_faulty(
    mirror, second_mirror, contents, use_mirrors, tmp_path, fault
):
    name = f"{NAMES[0]}.gz"
    mirror.files, second_mirror.files = packed(contents), packed(contents)
    spoil(mirror, name, fault)
    use_mirrors(mirror.url, second_mirror.url)
    assert len(mnist()[0]) == 50
    assert second_mirror.requests == [name]
    assert left_in(tmp_path) == sorted(NAMES)


@pytest.mark.parametrize("fault", ["corrupt", "cut", "short gzip", "error page"])
def test_wrong_file_is_named_and_never_kept(
    mirror, contents, use_mirrors, tmp_path, fault
):
    name = f"{NAMES[2]}.gz"
    mirror.files = packed(contents)
    spoil(mirror, name, fault)
    use_mirrors(mirror.url)
    with pytest.raises(DownloadError) as caught:
        mnist()
    message = str(caught.value)
    assert message.startswith(f"mnist: {NAMES[2]}: no mirror delivered the file")
    assert mirror.url + name in message
    if fault != "cut":
        assert f"expected SHA-256 {checksums(contents)[NAMES[2]]}" in message
        assert "got " in message
    kept = [name for name in left_in(tmp_path) if not name.endswith(".part")]
    assert kept == sorted(NAMES[:2])
    # The beginning of a file waits for its end; what is wrong goes.
    assert len(left_in(tmp_path)) == len(kept) + (fault == "cut")
    assert mnist_folder() is None
    # The mirror is repaired: only what was missing is fetched.
    mirror.files = packed(contents)
    mirror.cut.clear()
    mirror.requests.clear()
    assert len(mnist()[1]) == 20
    assert mirror.requests == [f"{name}.gz" for name in NAMES[2:]]
    assert left_in(tmp_path) == sorted(NAMES)


def test_all_mirrors_dead_names_each(contents, use_mirrors, tmp_path):
    dead = [Mirror(), Mirror()]
    for server in dead:
        server.close()
    use_mirrors(*[server.url for server in dead])
    with pytest.raises(DownloadError) as caught:
        mnist()
    assert all(server.url in str(caught.value) for server in dead)
    assert left_in(tmp_path) == []


def spoil(mirror, name, fault):
    if fault == "missing":
        del mirror.files[name]
    elif fault == "corrupt":
        content = bytearray(gzip.decompress(mirror.files[name]))
        content[-1] ^= 1
        mirror.files[name] = gzip.compress(bytes(content))
    elif fault == "cut":
        mirror.cut.add(name)
    elif fault == "short gzip":
        mirror.files[name] = mirror.files[name][:-30]
    else:
        mirror.files[name] = b"<html>we moved</html>"
