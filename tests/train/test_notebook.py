"""Progress in a notebook, by a kernel of Jupyter's own."""

from __future__ import annotations

import pytest

nbclient = pytest.importorskip("nbclient", reason="runs a notebook")
nbformat = pytest.importorskip("nbformat", reason="runs a notebook")
pytest.importorskip("ipykernel", reason="runs a notebook")

TRAIN = """
import numpy as np
import tilewright as tw
from tilewright import keras

tw.manual_seed(0)
x, y = np.ones((64, 4), np.float32), np.zeros(64, int)
model = tw.nn.Linear(4, 2)
history = tw.Trainer(model, tw.optim.SGD(model.parameters())).fit((x, y), 2)
"""
KERAS = """
small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
small.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
small.fit(x, y, epochs=3, validation_split=0.25)
"""
SLOW = """
import time
class Slow(tw.train.Callback):
    def on_batch_end(self, run):
        time.sleep(0.12)
tw.Trainer(model, tw.optim.SGD(model.parameters())).fit(
    (x, y), 1, batch_size=16, callbacks=[Slow()])
"""
HIDE = "import sys; sys.modules['ipywidgets'] = None"


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """Runs cells, and returns what each of them shows."""
    # The kernel's packages warn of matters of their own.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")

    def run(*cells):
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
        )
        client = nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={}
        )
        client.execute()
        return [cell.outputs for cell in notebook.cells], client

    return run


def text_of(shown):
    """All text of a cell's outputs."""
    parts = []
    for output in shown:
        if output.output_type == "stream":
            parts.append(output.text)
        else:
            parts.append(output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


@pytest.mark.filterwarnings("ignore")
def test_a_live_line_and_a_line_for_each_epoch(outputs):
    pytest.importorskip("ipywidgets", reason="the live line needs ipywidgets")
    pytest.importorskip("rich", reason="the live line needs Rich")
    (trained, keras, slow), client = outputs(TRAIN, KERAS, SLOW)
    for epoch in (1, 2):
        assert f"epoch {epoch}/2  loss 0." in text_of(trained)
    for name in ("epoch 3/3", "accuracy", "val_loss", "images/s"):
        assert name in text_of(keras)
    # The live line is a widget, whose last state the client keeps.
    widgets = [state["_model_name"] for state in client.widget_state.values()]
    assert "OutputModel" in widgets
    kinds = {key for output in slow for key in output.get("data", {})}
    assert "application/vnd.jupyter.widget-view+json" in kinds


@pytest.mark.filterwarnings("ignore")
def test_plain_lines_without_widgets(outputs):
    (_, trained, keras), _ = outputs(HIDE, TRAIN, KERAS)
    for shown, last in ((trained, "epoch 2/2"), (keras, "epoch 3/3")):
        assert {output.output_type for output in shown} <= {"stream", "execute_result"}
        assert last in text_of(shown)
