"""Scripts for tensorflow.keras, run with their import lines changed alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))
IMPORT = re.compile(r"^(from|import) tensorflow", re.MULTILINE)
# What the package that comes with Keras alone is called.
PLAIN = [
    (r"^import tensorflow as tf$", "import types\ntf = types.SimpleNamespace()"),
    (r"^from tensorflow import keras$", "import keras"),
    (r"^from tensorflow.keras import", "from keras import"),
    (r"\btf\.keras\.", "keras."),
]


def source(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if "mnist" in text:
        from tilewright import data
        from tilewright.data import DownloadError

        try:
            data.mnist()
        except (DownloadError, ImportError) as error:
            pytest.skip(f"needs MNIST: {error}")
    return text


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_runs_here(path):
    changed, count = IMPORT.subn(r"\1 tilewright", source(path))
    assert count
    exec(compile(changed, path.name, "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_is_one_for_keras(path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="runs the scripts by Keras")
    from tilewright.keras import datasets

    text = source(path)
    for old, new in PLAIN:
        text = re.sub(old, new, text, flags=re.MULTILINE)
    # From this machine, for there may be no network.
    monkeypatch.setattr(keras.datasets.mnist, "load_data", datasets.mnist.load_data)
    exec(compile(text, path.name, "exec"), {"__name__": "__main__"})
