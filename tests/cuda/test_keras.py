"""Models in Keras's spelling on a GPU: trained, evaluated and saved as on the CPU."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tilewright as tf
from tilewright import data, keras
from tilewright.errors import BackendUnavailableError
from tilewright.keras import layers
from tilewright.kernels import dispatch

BACKEND = "tilewright.kernels.backends.cuda"

BOTH = ("/CPU:0", "/GPU:0")
rng = np.random.default_rng(0)
LABELS = rng.integers(0, 3, 40)
# 0 to 255, as in files.
PICTURES = rng.integers(0, 150, (40, 7, 7, 2)) + 50 * LABELS[:, None, None, None]


def digits() -> tuple[np.ndarray, np.ndarray]:
    train, _ = data.mnist_sample()
    return train.x[:48], train.y[:48]


def mnist_like() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ]
    )


def normalized(*middle: Any) -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((7, 7, 2)),
            layers.RandomFlip("horizontal"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.ReLU(),
            *middle,
            layers.AveragePooling2D(2, padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )


def made(where: str | None, make: Any = normalized, **options: Any) -> Any:
    tf.manual_seed(0)
    with tf.device(where):
        model = make()
    options = {"optimizer": keras.optimizers.Adam(0.01), **options}
    model.compile(
        loss="sparse_categorical_crossentropy", metrics=["accuracy"], **options
    )
    return model


def expect_close(found: list[Any], tolerance: float = 1e-4) -> None:
    host, there = found
    for a, b in zip(host, there, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_a_network_for_digits_learns_as_on_the_cpu(cupy: ModuleType) -> None:
    x, y = digits()
    found = []
    for where in BOTH:
        model = made(where, mnist_like)
        history = model.fit(x, y, 16, 2, verbose=0, validation_split=0.25)
        scores = model.evaluate(x, y, verbose=0)
        outputs = model.predict(x[:5], verbose=0)
        assert type(outputs) is np.ndarray
        found.append([*history.history.values(), scores, outputs])
        assert history.history["loss"][1] < history.history["loss"][0]
    assert model.device == "cuda:0"
    expect_close(found)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adagrad"])
def test_normalized_pictures_are_learned_as_on_the_cpu(
    cupy: ModuleType, optimizer: str
) -> None:
    found = []
    for where in BOTH:
        model = made(where, optimizer=optimizer)
        history = model.fit(
            PICTURES, LABELS, 8, 2, verbose=0, validation_data=(PICTURES, LABELS)
        )
        outputs = model.predict(PICTURES, verbose=0)
        alone = model(PICTURES[:3]).detach().to("cpu").numpy()
        np.testing.assert_allclose(alone, outputs[:3], atol=1e-5)
        found.append([*history.history.values(), outputs, *model.get_weights()])
    expect_close(found)


def test_weights_are_numpys_and_go_both_ways(cupy: Any) -> None:
    host, there = map(made, BOTH)
    assert all(type(weight) is cupy.ndarray for weight in there.weights)
    for a, b in zip(host.get_weights(), there.get_weights(), strict=True):
        assert type(b) is np.ndarray and a.tobytes() == b.tobytes()
    given = [weight + 1.0 for weight in host.get_weights()]
    there.set_weights(given)
    assert there.device == "cuda:0"
    host.set_weights(there.weights)
    for model in (host, there):
        for a, b in zip(given, model.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes()
    with pytest.raises(ValueError, match="got"):
        there.set_weights(given[1:])


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5", "m.weights"])
@pytest.mark.parametrize("first, second", [BOTH, BOTH[::-1]])
def test_a_file_of_one_device_goes_on_on_the_other(
    cupy: ModuleType, tmp_path: Path, first: str, second: str, name: str
) -> None:
    if name.endswith("h5"):
        pytest.importorskip("h5py", reason="the file is HDF5")
    model = made(first)
    model.fit(PICTURES, LABELS, 8, 1, verbose=0)
    path = tmp_path / name
    if name == "m.keras":
        model.save(path)
        with tf.device(second):
            again = keras.models.load_model(path)
    else:
        model.save_weights(path)
        again = made(second)
        again.load_weights(path)
    assert (again.device == "cpu") == (second == "/CPU:0")
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    expect_close([m.predict(PICTURES, verbose=0) for m in (model, again)])
    if name == "m.keras":
        losses = []
        for each in (model, again):
            tf.manual_seed(1)
            history = each.fit(PICTURES, LABELS, 8, 1, verbose=0)
            losses.append(history.history["loss"])
        expect_close(losses)


def test_what_is_at_the_front_draws_the_numbers_of_the_cpu(world: Any) -> None:
    """And Python waits for the GPU at the ends of epochs alone."""

    class Waits(tf.train.Callback):
        def on_batch_end(self, run: Any) -> None:
            waits.append(world.synchronizations)

    found = []
    for where in BOTH:
        waits: list[int] = []
        model = made(where)
        model.fit(PICTURES, LABELS, 8, 1, verbose=0, callbacks=[Waits()])
        found.append(tf.random.generator().random(4))
    assert len(waits) == 5 and waits[0] == waits[-1] < world.synchronizations
    assert found[0].tobytes() == found[1].tobytes()


def test_branches_several_outputs_weights_and_metrics(cupy: ModuleType) -> None:
    def branched() -> keras.Model:
        picture = keras.Input((7, 7, 2), name="picture")
        note = keras.Input((4,), name="note")
        y = layers.SeparableConv2D(4, 3)(layers.Rescaling(2.0, -0.5)(picture))
        y = layers.GlobalMaxPooling2D()(layers.ZeroPadding2D(1)(y))
        x = layers.RandomTranslation(0.1, 0.1)(layers.UpSampling2D(2)(picture))
        x = layers.Conv2D(4, 3, strides=2, activation="relu")(x)
        x = layers.Conv2DTranspose(3, 3, padding="same")(layers.Cropping2D(1)(x))
        x = layers.concatenate([layers.GlobalAveragePooling2D()(x), y, note])
        kind = layers.Dense(3, activation="softmax", name="kind")(x)
        price = layers.Dense(1, activity_regularizer="l2", name="price")(x)
        return keras.Model([picture, note], [kind, price])

    notes = rng.random((40, 4))
    inputs, targets = [PICTURES / 255, notes], [LABELS, notes @ np.arange(4.0)]
    found = []
    for where in BOTH:
        tf.manual_seed(0)
        with tf.device(where):
            model = branched()
        model.compile(
            keras.optimizers.SGD(0.01, momentum=0.9, clipnorm=1.0),
            ["sparse_categorical_crossentropy", "huber"],
            metrics=[["accuracy", "auc"], ["mae"]],
            weighted_metrics=[["accuracy"], []],
        )
        weights = np.linspace(0.5, 1.5, 40)
        history = model.fit(
            inputs, targets, 8, 2, sample_weight=weights, verbose=0,
            callbacks=[keras.callbacks.EarlyStopping("loss", 5,
                                                     restore_best_weights=True)],
        )  # fmt: skip
        step = model.train_on_batch(inputs, targets)
        assert all(type(number) is float for number in step)
        tested = model.test_on_batch(inputs, targets)
        kinds, prices = model.predict_on_batch(inputs)
        found.append([*history.history.values(), step, tested, kinds, prices])
    assert len(history.history) > 5
    expect_close(found, 2e-4)


def test_batches_of_a_generator(cupy: ModuleType) -> None:
    def batches() -> Any:
        for start in range(0, 40, 8):
            yield PICTURES[start : start + 8], LABELS[start : start + 8]

    found = []
    for where in BOTH:
        model = made(where)
        history = model.fit(batches(), verbose=0)
        scores = model.evaluate(batches(), verbose=0)
        found.append([history.history["loss"], scores, model.predict(batches())])
    # Adam makes rounding larger than gradients of plain steps do.
    expect_close(found, 1e-3)


def test_losses_and_metrics_called_by_hand(cupy: ModuleType) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy()
    metric = keras.metrics.SparseCategoricalAccuracy()
    found = []
    for where in BOTH:
        model = made(where)
        outputs = model(PICTURES)
        value = loss(LABELS, outputs, sample_weight=np.ones(40))
        value.backward()
        metric.reset_state()
        metric.update_state(LABELS, outputs)
        first = next(v for name, v, _ in model.named_variables() if name == "weight")
        found.append([value.item(), metric.result(), first.grad.to("cpu").numpy()])
    expect_close(found)


def test_a_model_is_exported_from_a_gpu(cupy: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the file is ONNX")
    files = []
    for where in BOTH:
        path = tmp_path / f"{len(files)}.onnx"
        keras.backend.clear_session()
        model = made(where, mnist_like)
        before = model.device
        model.export(path)
        assert model.device == before
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_where_a_model_is_made_is_where_it_is(cupy: ModuleType) -> None:
    with tf.device("gpu:0"):
        assert layers.Dense(3).device == "cuda:0"
        with keras.device("/device:CPU:0"):
            assert made("cpu").device == "cpu"
        with tf.device(None):
            assert made(None).device == "cpu"
        # Its weights are made later, by its first data.
        late = keras.Sequential([layers.Flatten(), layers.Dense(3)])
    late.compile("sgd", "mse")
    late.fit(PICTURES, np.zeros((40, 3)), verbose=0)
    assert late.device == "cuda:0" and made(None).device == "cpu"
    assert made("GPU").device == made("cuda:0").device == "cuda:0"
    assert keras.models.clone_model(late).device == "cpu"


def test_the_second_gpu(world: Any, tmp_path: Path) -> None:
    model = made("/GPU:1")
    model.fit(PICTURES, LABELS, 8, verbose=0)
    model.save(tmp_path / "m.keras")
    with tf.device("/GPU:1"):
        again = keras.models.load_model(tmp_path / "m.keras")
    again.fit(PICTURES, LABELS, 8, verbose=0)
    model.set_weights(again.get_weights())
    assert model.device == "cuda:1" and world.device == 0
    late = layers.Dense(3)
    with tf.device("/GPU:1"):
        assert late(np.ones((2, 4))).device == "cuda:1"
    expect_close([made(None).evaluate(PICTURES, LABELS, verbose=0),
                  made("/GPU:1").evaluate(PICTURES, LABELS, verbose=0)])  # fmt: skip


def test_weights_on_two_devices_are_refused(cupy: ModuleType) -> None:
    base = made("/GPU:0")
    with pytest.raises(ValueError, match=r"on cuda:0, dense\w* on cpu; make all"):
        keras.Sequential([base, layers.Dense(2)])


@pytest.mark.parametrize("name", ["/TPU:0", "GPU:x", "/CPU:1", "", 0])
def test_what_is_no_device_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="must be such as '/GPU:0'"), tf.device(name):
        pass


def test_a_gpu_that_is_not_there_is_refused(world: Any) -> None:
    with (
        pytest.raises(BackendUnavailableError, match="there are 2 GPUs"),
        tf.device("/GPU:2"),
    ):
        pass
    assert made(None).device == "cpu"


def test_without_a_gpu_the_error_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.delitem(sys.modules, BACKEND, raising=False)
    monkeypatch.delitem(dispatch._loaded, "cuda", raising=False)
    monkeypatch.delitem(dispatch._reasons, "cuda", raising=False)
    with (
        pytest.raises(BackendUnavailableError, match="'cuda:0' is not available"),
        tf.device("/GPU:0"),
    ):
        pass
    assert tf.config.list_physical_devices("GPU") == []
    dispatch._reasons.pop("cuda", None)


def test_the_devices_are_listed(cupy: ModuleType) -> None:
    names = [device.name for device in tf.config.list_physical_devices()]
    gpus = tf.config.list_physical_devices("GPU")
    assert names[:2] == ["/physical_device:CPU:0", "/physical_device:GPU:0"]
    assert len(gpus) == tf.cuda.device_count()
    assert {each.device_type for each in gpus} == {"GPU"}
