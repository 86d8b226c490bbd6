"""Models in Keras's spelling as ONNX files, run by onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import keras
from tilewright.keras import layers

pytest.importorskip("onnx", reason="needs the extra 'onnx'")
rng = np.random.default_rng(0)


def run(path, inputs):
    """The outputs of a file, by their names."""
    runtime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def row():
    return keras.Sequential(
        [
            keras.Input((9, 8, 3), name="image"),
            layers.Rescaling(1 / 255, offset=-0.5),
            layers.RandomFlip("horizontal"),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(5, activation="softmax", name="kind"),
        ]
    )


def branched():
    image, note = keras.Input((9, 8, 3), name="v1"), keras.Input((6,), name="note")
    inner = keras.Sequential([keras.Input((9, 8, 3)), layers.Conv2D(4, 3)])
    x = layers.Rescaling(1 / 255)(image)
    x = layers.GlobalAveragePooling2D()(inner(x))
    x = layers.Concatenate()([x, layers.Dense(3, activation="tanh")(note)])
    kind = layers.Dense(4, activation="softmax", name="kind")(x)
    price = layers.Dense(1, name="c")(x)
    return keras.Model([image, note], {"kind": kind, "c": price, "both": x})


@pytest.mark.parametrize(
    ("make", "names"), [(row, ["kind"]), (branched, ["both", "c", "kind"])]
)
def test_onnxruntime_predicts_the_same(make, names, tmp_path):
    tw.manual_seed(3)
    model = make()
    x = {"image": rng.uniform(0, 255, (5, 9, 8, 3)).astype(np.float32)}
    if make is branched:
        note = rng.normal(0, 1, (5, 6)).astype(np.float32)
        x = {"v1": x["image"], "note": note}
    assert model.input_names == list(x)
    predicted = model.predict(x, verbose=0)
    model.export(tmp_path / "m.onnx", format="onnx")
    given = run(tmp_path / "m.onnx", x)
    assert list(given) == names == model.output_names
    expected = predicted if make is branched else {"kind": predicted}
    for name, y in given.items():
        assert np.ptp(expected[name]) > 0.01
        np.testing.assert_allclose(y, expected[name], atol=1e-5, err_msg=name)


def test_a_trained_model_is_exported_as_it_evaluates(tmp_path):
    tw.manual_seed(4)
    model = row()
    images = rng.uniform(0, 255, (32, 9, 8, 3)).astype(np.float32)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, rng.integers(0, 5, 32), epochs=2, verbose=0)
    before = [weight.tobytes() for weight in model.weights]
    model.export(tmp_path / "m.onnx")
    assert [weight.tobytes() for weight in model.weights] == before
    given = run(tmp_path / "m.onnx", {"image": images})["kind"]
    np.testing.assert_allclose(given, model.predict(images, verbose=0), atol=1e-5)


@pytest.mark.parametrize("format", ["tf_saved_model", "openvino", None])
def test_other_formats_are_refused(format, tmp_path):
    with pytest.raises(ValueError, match="format must be one of 'onnx', got"):
        row().export(tmp_path / "m", format=format)
    assert not list(tmp_path.iterdir())


def test_a_model_without_weights_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no weights yet"):
        keras.Sequential([layers.Dense(2)]).export(tmp_path / "m.onnx")
