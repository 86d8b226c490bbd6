"""What is not used is not loaded: features cost nothing until they are asked for."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

REPORT = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
# Whatever is neither Python's own, NumPy's, nor ours.
OPTIONAL = {
    "IPython", "PIL", "cupy", "h5py", "ipywidgets", "jax", "keras", "matplotlib",
    "onnx", "onnxruntime", "pandas", "pooch", "pyarrow", "requests", "rich",
    "safetensors", "scipy", "sklearn", "tensorboard", "tensorflow", "torch", "typer",
}  # fmt: skip
STEP = """
import numpy as np
import tilewright as tw
model = tw.nn.Sequential(tw.nn.Linear(4, 8), tw.nn.ReLU(), tw.nn.Linear(8, 3))
optimizer = tw.optim.Adam(model.parameters())
x, y = np.ones((16, 4), np.float32), np.zeros(16, int)
"""
BY_HAND = (
    STEP
    + """
for x, y in tw.data.DataLoader(tw.data.ArrayDataset(x, y), 4, shuffle=True):
    loss = tw.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
)
TRAINER = (
    STEP
    + """
trainer = tw.Trainer(model, optimizer)
trainer.fit((x, y), epochs=5, batch_size=4, validation_data=(x, y), verbose=False)
trainer.evaluate((x, y)), trainer.predict(x)
"""
)
KERAS = """
import numpy as np
from tilewright import keras
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(np.ones((16, 4)), np.zeros(16, int), epochs=4, batch_size=4, verbose=0)
model.predict(np.ones((16, 4)), verbose=0)
"""


def loaded(statements: str) -> set[str]:
    """The modules of a fresh process that ran statements."""
    process = subprocess.run(
        [sys.executable, "-c", statements + REPORT],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout.splitlines()[-1]))


def ours(modules: set[str]) -> set[str]:
    """Those of this package, by the first part of their names."""
    return {name.split(".")[1] for name in modules if name.startswith("tilewright.")}


def test_the_package_alone_loads_next_to_nothing():
    modules = loaded("import tilewright")
    assert ours(modules) <= {"errors"}
    assert "numpy" not in modules
    assert not OPTIONAL & modules


@pytest.mark.parametrize(
    ("statements", "unused"),
    [
        (BY_HAND, {"train", "keras", "interop", "models", "bench", "cli", "cuda"}),
        (TRAINER, {"keras", "models", "bench", "cli", "cuda"}),
        (KERAS, {"models", "bench", "cli", "cuda"}),
    ],
    ids=["by hand", "trainer", "keras"],
)
def test_a_step_loads_only_what_it_uses(statements, unused):
    modules = loaded(statements)
    assert not OPTIONAL & modules
    assert not unused & ours(modules), unused & ours(modules)


def test_training_loads_no_feature_that_is_not_asked_for():
    modules = loaded(TRAINER)
    for name in (
        "train.pictures", "train.report", "train.energy", "train.summary",
        "interop.onnx", "interop.torch", "interop.keras", "interop.sklearn",
        "kernels.conformance", "kernels.roofline",
    ):  # fmt: skip
        assert f"tilewright.{name}" not in modules, name
