"""The command line from outside: what it prints, leaves behind and returns."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command_line import HAS_EXTENSION, NO_EXTENSION, command, environment, tilewright

from tilewright.data import mnist_folder, mnist_sample

pytest.importorskip("typer", reason="the command line needs Typer")
pytest.importorskip("safetensors", reason="saving needs safetensors")

LAST_LINE = r"test accuracy: [01]\.\d{4}"


def idx_folder(folder: Path, train: int, test: int) -> Path:
    """The first images of the sample, as files in MNIST's format."""
    for prefix, dataset, size in zip(
        ("train", "t10k"), mnist_sample(), (train, test), strict=True
    ):
        pixels = np.rint(dataset.x[:size, ..., 0] * 255).astype(np.uint8)
        for kind, array in (
            ("images-idx3", pixels),
            ("labels-idx1", dataset.y[:size].astype(np.uint8)),
        ):
            sizes = np.array(array.shape, ">u4").tobytes()
            content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
            (folder / f"{prefix}-{kind}-ubyte").write_bytes(content)
    return folder


def test_train_alone_takes_the_sample_and_no_network(tmp_path):
    done = tilewright("train", "--epochs", "1", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "data:  the sample of MNIST that comes with tilewright: "
        "6,000 training and 1,000 test images"
    )
    assert "`tilewright train --data mnist` downloads it" in lines[1]
    assert lines[2].startswith("model: mnist-cnn, 93,322 parameters, on the ")
    assert lines[-2].startswith("epoch 1/1  loss ")
    assert re.fullmatch(LAST_LINE, lines[-1])
    assert float(lines[-1].split()[-1]) > 0.85
    # Nothing was left in the folder it ran in.
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not HAS_EXTENSION, reason=NO_EXTENSION)
def test_seed_decides_the_result(tmp_path):
    folder = idx_folder(tmp_path, 320, 100)
    words = ["train", "--data", folder, "--epochs", "1", "--threads"]
    first = tilewright(*words, "1", "--seed", "3", cache=tmp_path).stdout.splitlines()
    again = tilewright(*words, "2", "--seed", "3", cache=tmp_path).stdout.splitlines()
    other = tilewright(*words, "1", "--seed", "4", cache=tmp_path).stdout.splitlines()

    def loss(lines):
        return next(line.split()[3] for line in lines if line.startswith("epoch 1/1"))

    assert loss(first) == loss(again) != loss(other)


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a POSIX signal")
def test_data_dir_is_taken_and_ctrl_c_ends_cleanly(tmp_path):
    folder = mnist_folder()
    if folder is None or folder.name != "mnist":
        pytest.skip("all of MNIST is not on this machine (set TILEWRIGHT_DATA_DIR)")
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("train", "--batch-size", "2", "--out", out),  # a long epoch
        env=environment(tmp_path, folder.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == (
            f"data:  all of MNIST ({folder}): 60,000 training and 10,000 test images\n"
        )
        assert process.stdout.readline().startswith("model: mnist-cnn, 93,322 ")
        # Printed just before the handler is there, hence a moment's patience.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130 and errors == ""
    lines = output.splitlines()
    assert "interrupted after 0 full epochs" in lines
    assert re.fullmatch(LAST_LINE, lines[-1])
    assert (out / "model.safetensors").exists()
    assert (out / "checkpoint.safetensors").exists()
    assert json.loads((out / "history.json").read_text())["interrupted"]


def test_train_resume_predict(tmp_path):
    image_module = pytest.importorskip("PIL.Image", reason="predict needs Pillow")
    folder = idx_folder(tmp_path, 640, 100)
    out = tmp_path / "run"
    words = ["train", "--data", folder, "--out", out, "--epochs"]
    first = tilewright(*words, "1", cache=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "report.html" in first.stdout
    report = (out / "report.html").read_text()
    assert "test accuracy" in report and report.count("data:image/png;base64") == 7
    assert re.fullmatch(LAST_LINE, first.stdout.splitlines()[-1])
    assert f"wrote {out}: model.safetensors, history.json" in first.stdout
    more = tilewright(*words, "3", "--resume", cache=tmp_path)
    assert more.returncode == 0, more.stderr
    assert "epoch 1/3" not in more.stdout and "epoch 2/3" in more.stdout
    history = json.loads((out / "history.json").read_text())["history"]
    assert len(history["loss"]) == len(history["val_accuracy"]) == 3
    expected = f"test accuracy: {history['val_accuracy'][-1]:.4f}"
    assert more.stdout.splitlines()[-1] == expected

    test = mnist_sample()[1]
    digit = np.rint(test.x[0, ..., 0] * 255).astype(np.uint8)
    image_module.fromarray(digit).save(tmp_path / "dark.png")
    image_module.fromarray(255 - digit).save(tmp_path / "light.png")
    seen = tilewright("predict", out, "dark.png", "light.png", cache=tmp_path)
    assert seen.returncode == 0, seen.stderr
    dark, light = seen.stdout.splitlines()
    match = re.fullmatch(r"dark\.png: (\d)  \((\d): ([01]\.\d{4}), .*\)", dark)
    assert match and match[1] == match[2] and float(match[3]) > 0.1
    prefix, note = light.split("  [")
    assert prefix == dark.replace("dark", "light")
    assert note == "light background: inverted]"


def test_info_is_plain_when_piped(tmp_path):
    done = tilewright("info", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert rows["backend numpy"] == "available"
    assert rows["backend"] == ("cpu" if HAS_EXTENSION else "numpy")
    assert {"version", "python", "numpy", "isa", "threads"} <= set(rows)
