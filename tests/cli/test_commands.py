"""The command line from inside: errors are one line, without a traceback."""

import sys

import pytest

import tilewright as tw
from tilewright import cli
from tilewright.cli.choose_data import choose_data
from tilewright.cli.info import describe

pytest.importorskip("typer", reason="the command line needs Typer")


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.delenv("TILEWRIGHT_DATA_DIR", raising=False)
    monkeypatch.setenv("TILEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield
    tw.use("auto")


def run(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    return ended.value.code, *capsys.readouterr()


def hide(monkeypatch, package):
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["train", "--data", "nowhere"],
            1,
            "--data nowhere: expected mnist, fashion",
        ),
        (["train", "--data", "."], 1, "needs MNIST-format IDX files or at least two"),
        (["train", "--model", "vgg"], 1, "unknown model 'vgg'; expected one of mnist-"),
        (["train", "--backend", "tpu"], 1, "got 'tpu'"),
        (["train", "--lr", "-1"], 1, "lr"),
        (["train", "--resume"], 1, "--resume needs --out"),
        (["train", "--out", "run", "--resume"], 1, "checkpoint.safetensors"),
        (["train", "--out", "a-file"], 1, "a-file: File exists"),
        (["train", "--epochs", "0"], 2, "Invalid value for '--epochs'"),
        (["train", "--epochs", "x"], 2, "Invalid value for '--epochs'"),
        (["train", "--batch", "3"], 2, "No such option: --batch"),
        (["predict", "none.safetensors", "x.png"], 1, "no such model file: none.safe"),
        (["predict", "a-file", "x.png"], 1, "a-file: damaged or cut short"),
        (["predict"], 2, "missing argument 'model'"),
        (["selftest", "--device", "tpu"], 1, "tpu"),
        (["dance"], 2, "No such command 'dance'"),
    ],
)
def test_users_errors_are_one_line(capsys, words, code, message, tmp_path):
    (tmp_path / "a-file").write_text("text")
    ended, output, errors = run(capsys, *words)
    assert ended == code
    assert errors.startswith("tilewright: ") and errors.count("\n") == 1
    assert message.lower() in errors.lower()
    assert "Traceback" not in output + errors


def test_damaged_mnist_is_not_passed_over(capsys, monkeypatch, tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(b"text")
    monkeypatch.setenv("TILEWRIGHT_DATA_DIR", str(tmp_path))
    code, _, errors = run(capsys, "train")
    assert code == 1 and errors.count("\n") == 1
    assert "train-images-idx3-ubyte: wrong content: expected SHA-256" in errors


@pytest.mark.parametrize("package", ["typer", "safetensors"])
def test_missing_extra_is_one_line(capsys, monkeypatch, package):
    hide(monkeypatch, package)
    code, output, errors = run(capsys, "train", "--out", "run")
    assert code == 1 and output == ""
    assert errors == (
        f"tilewright: this needs the package '{package}'; install it with: "
        "pip install 'tilewright[train]'\n"
    )


def test_own_errors_keep_their_traceback(monkeypatch):
    def broken(wanted):
        raise KeyError("a defect")

    monkeypatch.setattr("tilewright.cli.choose_data.choose_data", broken)
    with pytest.raises(KeyError, match="a defect"):
        cli.main(["train"])


def test_help_and_version(capsys):
    code, output, _ = run(capsys, "--help")
    assert code == 0
    assert all(name in output for name in cli.COMMANDS)
    code, output, _ = run(capsys, "--version")
    assert (code, output) == (0, f"tilewright {tw.__version__}\n")
    for name in cli.COMMANDS:
        code, output, _ = run(capsys, name, "--help")
        assert code == 0 and name in output


def test_default_data_never_downloads(monkeypatch):
    def refused(*arguments):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(sys.modules["tilewright.data.mnist"], "download", refused)
    chosen = choose_data(None)
    assert len(chosen.train) == 6000 and "--data mnist" in chosen.hint
    assert choose_data("mnist-sample").hint == ""
    with pytest.raises(AssertionError, match="the network was asked"):
        choose_data("mnist")


def test_info_rows():
    rows = describe(
        {
            "version": "1",
            "backends": {"numpy": None, "cpu": "not built"},
            "isa": None,
            "threads_source": "cgroup",
            "algorithms": {"gemm": ["simd", "ref"]},
        }
    )
    assert rows == [
        ("version", "1"),
        ("backend numpy", "available"),
        ("backend cpu", "not available: not built"),
        ("isa", "-"),
        ("threads source", "cgroup"),
        ("algorithms gemm", "simd, ref"),
    ]
