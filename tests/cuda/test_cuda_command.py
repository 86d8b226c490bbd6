"""`tilewright train` on a GPU."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tilewright import cli

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
from mnist_files import small_set, write_set  # noqa: E402

pytest.importorskip("typer", reason="the command line needs Typer")
pytest.importorskip("safetensors", reason="models are saved as safetensors")


@pytest.mark.parametrize("words", [["--device", "cuda:0"], ["--backend", "cuda"]])
def test_train(
    cupy: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # the report takes minutes
    write_set(tmp_path / "data", small_set(16, 8))
    folder, run = str(tmp_path / "data"), str(tmp_path / "run")
    command = ["train", "--data", folder, "--batch-size", "8", "--out", run, *words]
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--epochs", "1"])
    output = capsys.readouterr().out
    assert ended.value.code == 0, output
    assert "on the cuda backend (cuda:0)" in output
    assert output.splitlines()[-1].startswith("test accuracy: 0.")
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["train", "--data", "mnist-sample", "--device", "tpu"])
    assert ended.value.code == 1
    assert "device must be 'cpu', 'cuda' or 'cuda:N'" in capsys.readouterr().err
