"""Models in Keras's spelling by themselves: files, callbacks, preparation, errors."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import tilewright as tw
from tilewright import data, keras, train
from tilewright.keras import layers, models

rng = np.random.default_rng(0)
IMAGES = rng.random((64, 8, 8, 1), np.float32)
LABELS = rng.integers(0, 3, 64)
IMAGES[np.arange(64), LABELS] += 1


def convolutional(*front):
    return models.Sequential(
        [
            *front,
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1)),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax", kernel_regularizer="l2"),
        ]
    )


def branched():
    inputs = layers.Input(shape=(8, 8, 1))
    x = layers.RandomFlip("horizontal")(inputs)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.add([x, y])
    inner = models.Sequential([layers.Input((8, 8, 4)), layers.Conv2D(4, 1)])
    x = layers.concatenate([inner(x), x])
    x = layers.GlobalAveragePooling2D()(x)
    return models.Model(inputs=inputs, outputs=layers.Dense(3, "softmax")(x))


def compiled(model, **options):
    options = {
        "optimizer": "adam",
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        **options,
    }
    model.compile(**options)
    return model


def fit(model, epochs=2, **options):
    return model.fit(IMAGES, LABELS, epochs=epochs, verbose=0, **options)


def test_learns():
    tw.manual_seed(0)
    model = compiled(convolutional(), optimizer=keras.optimizers.Adam(0.01))
    history = fit(model, 30, validation_split=0.25)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.history["val_accuracy"][-1] > 0.9
    loss, accuracy = model.evaluate(IMAGES, LABELS, verbose=0)
    found = model.evaluate(IMAGES, LABELS, verbose=0, return_dict=True)
    assert found == {"loss": loss, "accuracy": accuracy}
    shares = model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (shares.argmax(axis=1) == LABELS).mean() == accuracy


def test_is_the_native_network_with_the_native_bits():
    """The spelling costs nothing: the same compiled step on the same network."""
    tw.manual_seed(0)
    model = models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    native = tw.nn.Sequential(
        tw.nn.Conv2d(1, 4, 3), tw.nn.ReLU(), tw.nn.MaxPool2d(2), tw.nn.Flatten(),
        tw.nn.Linear(36, 3),
    )  # fmt: skip
    for parameter, weight in zip(native.parameters(), model.get_weights(), strict=True):
        parameter.data[...] = weight
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    compiled(model, optimizer=sgd)
    tw.manual_seed(1)
    fit(model, 4, batch_size=16)
    trainer = tw.Trainer(
        native, tw.optim.SGD(native.parameters(), lr=0.1, momentum=0.9)
    )
    tw.manual_seed(1)
    trainer.fit((IMAGES, LABELS), 4, 16, verbose=False)
    for parameter, weight in zip(native.parameters(), model.get_weights(), strict=True):
        assert parameter.data.tobytes() == weight.tobytes()
    assert model._trainer._step.reason == trainer._step.reason


@pytest.mark.parametrize("make", [convolutional, branched])
def test_saved_models_go_on_to_the_same_bits(make, tmp_path):
    pytest.importorskip("safetensors", reason="model files need safetensors")
    tw.manual_seed(0)
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    model = compiled(make(), optimizer=keras.optimizers.Adam(rate))
    fit(model)
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    assert type(again) is type(model)
    np.testing.assert_array_equal(
        again.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
    )
    results = []
    for each in (model, again):
        tw.manual_seed(3)
        results.append(fit(each).history)
    assert results[0] == results[1]
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    with pytest.raises(FileExistsError, match="overwrite is False"):
        model.save(tmp_path / "model.keras", overwrite=False)


def test_files_that_hold_no_model(tmp_path):
    pytest.importorskip("safetensors", reason="model files need safetensors")
    train.save_tree(tmp_path / "tree", {"a": 1})
    with pytest.raises(ValueError, match="tree: holds no model of tilewright.keras"):
        models.load_model(tmp_path / "tree")
    with pytest.raises(FileNotFoundError, match="no such file"):
        models.load_model(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"PK\3\4 a zip file of Keras itself")
    with pytest.raises(ValueError, match="bytes: damaged or cut short"):
        models.load_model(tmp_path / "bytes")
    model = models.Sequential([layers.Input((2,)), layers.Dense(2)])
    tree = {
        "model": {"class": "Sequential", "name": "x", "nodes": [], "layers": [
            {"class": "os.system", "config": {}}]},
        "weights": [], "training": None,
    }  # fmt: skip
    train.save_tree(tmp_path / "hostile", tree)
    with pytest.raises(ValueError, match=r"unknown layer 'os.system'"):
        models.load_model(tmp_path / "hostile")
    model.add(layers.Dense(2, activation=lambda x: x * 2))
    with pytest.raises(TypeError, match="cannot describe <lambda>"):
        model.save(tmp_path / "m")


def test_weights_files(tmp_path):
    pytest.importorskip("safetensors", reason="model files need safetensors")
    one, other = convolutional(), convolutional()
    one.save_weights(tmp_path / "w.safetensors")
    other.load_weights(tmp_path / "w.safetensors")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="has weights of shapes"):
        branched().load_weights(tmp_path / "w.safetensors")


def test_keras_own_weights_files(tmp_path):
    pytest.importorskip("h5py", reason="needs the extra 'keras-weights'")
    one, other = convolutional(), convolutional()
    one.save_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    one, other = branched(), branched()
    one.save_weights(tmp_path / "g.weights.h5")
    other.load_weights(tmp_path / "g.weights.h5")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for model, name, text in (
        (convolutional(), "g.weights.h5", "layers/dense has arrays of shapes"),
        (branched(), "m.weights.h5", "has arrays of .* nothing was loaded"),
    ):
        before = model.get_weights()
        with pytest.raises(ValueError, match=text):
            model.load_weights(tmp_path / name)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    short = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3)])
    with pytest.raises(ValueError, match="layers that the model has not: /layers/den"):
        short.load_weights(tmp_path / "m.weights.h5")
    with pytest.raises(FileNotFoundError, match="no such file"):
        short.load_weights(tmp_path / "none.weights.h5")
    (tmp_path / "bad.weights.h5").write_bytes(b"no h5 file")
    with pytest.raises(ValueError, match="damaged, or no weights of Keras"):
        short.load_weights(tmp_path / "bad.weights.h5")


def test_shapes_known_later_and_inputs_without_a_channel():
    model = models.Sequential()
    model.add(layers.Flatten())
    model.add(layers.Dense(3))
    with pytest.raises(ValueError, match="has no weights yet"):
        model.summary()
    compiled(model, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fit(model, 1)
    assert model.output_shape == (None, 3)
    built = convolutional()
    a = built.predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(built.predict(IMAGES[..., 0], verbose=0), a)
    with pytest.raises(ValueError, match=r"takes samples of shape \(8, 8, 1\), got x"):
        built.predict(IMAGES[:, :4])
    other = models.Sequential([layers.Dense(2)])
    other.build((None, 5))
    assert other.count_params() == 12
    other.pop()
    assert other.layers == []


def test_front_layers_prepare_and_the_rest_is_compiled():
    from tilewright.kernels import dispatch

    tw.manual_seed(0)
    front = [
        layers.Rescaling(2.0, input_shape=(8, 8, 1)),
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.05),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomZoom(0.1),
    ]
    model = compiled(convolutional(*front))
    network = model.network
    (row,) = network.preparation
    assert [layer.name for layer in row] == [f.name for f in front]
    # Off in evaluation, the same again from the same seed in training.
    np.testing.assert_array_equal(network.prepare(IMAGES, False), IMAGES * 2)
    drawn = []
    for _ in range(2):
        tw.manual_seed(5)
        drawn.append(network.prepare(IMAGES, True))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != IMAGES * 2).any()
    plain = models.Sequential([*front, layers.Flatten(), layers.Dense(3, "softmax")])
    compiled(plain)
    fit(plain, 4)
    if dispatch.unavailable_reason("cpu") is None:
        assert plain._trainer._step.reason is None
    late = models.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.RandomFlip(),
         layers.Flatten(), layers.Dense(3)]
    )  # fmt: skip
    compiled(late, loss="mse", metrics=[])
    with pytest.raises(ValueError, match="must come before the first layer with wei"):
        late.fit(IMAGES, np.zeros((64, 3)), verbose=0)


def test_a_rotation_by_a_quarter_and_a_flip():
    x = IMAGES[:2]
    turned = layers.RandomRotation((0.25, 0.25))(x, training=True).data
    expected = [np.rot90(image, k) for image in x for k in (1, 3)]
    assert any(np.allclose(turned[0], e, atol=1e-5) for e in expected[:2])
    tw.manual_seed(0)
    flipped = layers.RandomFlip("vertical")(np.repeat(x[:1], 40, 0), training=True).data
    both = {image.tobytes() for image in flipped}
    assert both == {x[0].tobytes(), x[0, ::-1].tobytes()}


def test_callbacks(tmp_path, capsys):
    pytest.importorskip("safetensors", reason="model files need safetensors")
    calls = []

    class Count(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append("begin")

        def on_train_batch_end(self, batch, logs=None):
            calls.append(batch)
            assert logs["loss"] > 0

        def on_epoch_end(self, epoch, logs=None):
            calls.append(("epoch", epoch, sorted(logs)))
            if epoch == 1:
                self.model.stop_training = True

        def on_train_end(self, logs=None):
            calls.append("end")

    tw.manual_seed(0)
    model = compiled(convolutional())
    history = model.fit(
        IMAGES, LABELS, epochs=5, verbose=1, validation_split=0.5,
        callbacks=[
            Count(),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}.keras"),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.weights.safetensors", "val_loss",
                save_best_only=True, save_weights_only=True,
            ),
            keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1)),
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: calls.append("lambda")
            ),
            train.StopOnNaN(),
        ],
    )  # fmt: skip
    assert history.epoch == [0, 1]
    names = ["accuracy", "loss", "val_accuracy", "val_loss"]
    one = ["lambda", 0, ("epoch", 0, names)]
    assert calls == ["begin", *one, "lambda", 0, ("epoch", 1, names), "end"]
    assert model.optimizer.learning_rate == 0.005
    assert (tmp_path / "01.keras").exists() and (tmp_path / "02.keras").exists()
    assert (tmp_path / "best.weights.safetensors").exists()
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == history.history["loss"]
    assert "epoch 2/5" in capsys.readouterr().out


def test_frozen_layers_stay():
    tw.manual_seed(0)
    model = convolutional()
    model.layers[0].trainable = False
    before = model.get_weights()
    fit(compiled(model))
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert (before[2] != after[2]).any()


def test_summary(capsys):
    keras.naming.reset()
    model = branched()
    model.summary()
    text = capsys.readouterr().out
    assert "depthwise_conv2d (DepthwiseConv2D)" in text
    assert "(None, 8, 8, 4)" in text
    trained = sum(w.size for w in model.get_weights()) - 8
    assert f"Trainable params: {trained:,}\n" in text
    assert "Non-trainable params: 8\n" in text


def test_shared_layers_share_their_weights():
    dense = layers.Dense(6)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, dense(dense(inputs)))
    assert model.count_params() == 42
    compiled(model, loss="mse", metrics=[])
    x = rng.random((16, 6), np.float32)
    history = model.fit(x, 2 * x, epochs=200, verbose=0)
    assert history.history["loss"][-1] < 0.4 * history.history["loss"][0]


def test_called_as_in_evaluation():
    """As Keras's guide to transfer learning has it; Keras 3.15 itself forgets it."""
    base = models.Sequential(
        [layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.BatchNormalization()]
    )
    image = layers.Input((8, 8, 1))
    x = layers.Flatten()(base(image, training=False))
    model = compiled(models.Model(image, layers.Dense(3, activation="softmax")(x)))
    before = base.get_weights()
    score = model.test_on_batch(IMAGES, LABELS)
    assert model.train_on_batch(IMAGES, LABELS) == pytest.approx(score)
    fit(model, 3)
    changed = [(a != b).any() for a, b in zip(before, base.get_weights(), strict=True)]
    # Kernel, bias, scale and shift are trained; the running values stay.
    assert changed == [True, True, True, True, False, False]


def test_a_look_at_the_model_within_an_epoch_changes_nothing():
    class Looks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.predict(IMAGES[:4], verbose=0)
            self.model.evaluate(IMAGES, LABELS, verbose=0)
            self.model(IMAGES[:4], training=False)

    found = []
    for callbacks in ([], [Looks()]):
        tw.manual_seed(0)
        model = compiled(
            convolutional(layers.BatchNormalization(input_shape=(8, 8, 1)))
        )
        history = fit(model, 3, batch_size=16, callbacks=callbacks)
        found.append((history.history, [w.tobytes() for w in model.get_weights()]))
    assert found[0] == found[1]


def test_the_output_of_a_layer_within():
    model = convolutional()
    inner = models.Model(model.inputs, model.layers[1].output)
    assert inner.predict(IMAGES, verbose=0).shape == (64, 3, 3, 4)
    assert inner.layers[1] is model.layers[0]
    assert model.get_layer(model.layers[3].name).input is model.layers[2].output
    with pytest.raises(AttributeError, match="has not been put after others"):
        _ = layers.Dense(2).output


def test_data_sets_of_ours():
    model = compiled(convolutional())
    sets = data.ArrayDataset(IMAGES, LABELS)
    model.fit(sets, verbose=0, validation_data=sets)
    model.fit(data.DataLoader(sets, 16, shuffle=True), verbose=0)
    assert model.evaluate(sets, verbose=0)[1] <= 1


def test_utils():
    with pytest.raises(ValueError, match=r"ids must be in \[0, 2\)"):
        keras.utils.to_categorical([0, 2], 2)
    one_hot = keras.utils.to_categorical(LABELS[:, None], 4)
    assert one_hot.shape == (64, 4) and (one_hot.argmax(1) == LABELS).all()
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        drawn.append((layers.Dense(2)(np.ones((1, 2))).data, np.random.random()))
    assert drawn[0][1] == drawn[1][1] and (drawn[0][0] == drawn[1][0]).all()


@pytest.mark.parametrize(
    ("act", "kind", "text"),
    [
        (lambda: layers.Dense(2, "relux"), ValueError, "unknown activation 'relux'"),
        (lambda: layers.Dense(2, activation=3), TypeError, "a name or a function"),
        (
            lambda: layers.Conv2D(2, 3, padding="full"),
            ValueError,
            "Conv2D: padding must be 'valid' or 'same', got 'full'",
        ),
        (
            lambda: layers.Conv2D(2, 3, data_format="channels_first"),
            ValueError,
            "data_format must be 'channels_last'",
        ),
        (
            lambda: layers.Dense(2, kernel_initializer="best"),
            ValueError,
            "unknown initializer 'best'",
        ),
        (lambda: layers.RandomZoom(2.0), ValueError, r"a range within \[-1, 1\]"),
        (
            lambda: layers.RandomRotation(0.1, fill_mode="x"),
            ValueError,
            "fill_mode must be one of reflect",
        ),
        (lambda: models.Sequential([3]), TypeError, "expected a layer, got int"),
        (
            lambda: models.Sequential([layers.Dense]),
            TypeError,
            "expected a layer, got Dense",
        ),
        (
            lambda: keras.Model(keras.Input((2,)), keras.Input((2,))),
            ValueError,
            "which is not the input that was given",
        ),
        (
            lambda: keras.Model(
                a := keras.Input((2,)),
                (d := layers.Dense(2, activity_regularizer="l1"))(d(a)),
            ),
            ValueError,
            "has an activity_regularizer and is used 2 times",
        ),
        (
            lambda: layers.Conv2DTranspose(2, 3, dilation_rate=2),
            ValueError,
            "Conv2DTranspose: dilation_rate must be 1",
        ),
        (lambda: keras.Model([], keras.Input((2,))), ValueError, "at least one input"),
        (
            lambda: keras.Model(keras.Input((2,)), [3]),
            TypeError,
            "outputs must be what Input or a layer returns, got int",
        ),
        (
            lambda: compiled(convolutional(), optimizer="adamax"),
            ValueError,
            "unknown optimizer 'adamax'; expected one of adagrad, adam",
        ),
        (
            lambda: compiled(convolutional(), loss="hinge"),
            ValueError,
            "unknown loss 'hinge'",
        ),
        (
            lambda: fit(compiled(convolutional(), metrics=["bleu"])),
            ValueError,
            "unknown metric 'bleu'",
        ),
        (
            lambda: convolutional().compile(loss="mse", loss_weight=[1]),
            TypeError,
            "compile: unknown argument loss_weight",
        ),
        (lambda: fit(convolutional()), RuntimeError, "call compile with a loss first"),
        (
            lambda: keras.optimizers.SGD(weight_decay=0.1),
            ValueError,
            "weight_decay is for Adam and AdamW",
        ),
        (
            lambda: fit(compiled(convolutional()), callbacks=[3]),
            TypeError,
            "callbacks must be Callbacks, got int",
        ),
        (
            lambda: fit(compiled(convolutional()), validation_split=1.5),
            ValueError,
            r"validation_split must be in \(0, 1\), got 1.5",
        ),
        (
            lambda: fit(compiled(convolutional()), class_weight={7: 1.0}),
            ValueError,
            "class_weight is of class 7, the model has 3",
        ),
        (
            lambda: compiled(convolutional()).fit(IMAGES, LABELS[:9], verbose=0),
            ValueError,
            "x has 64 samples but y has 9",
        ),
        (
            lambda: compiled(convolutional(), loss="categorical_crossentropy").fit(
                IMAGES, LABELS, verbose=0
            ),
            ValueError,
            "for class ids there is sparse_categorical_crossentropy",
        ),
        (
            lambda: convolutional().set_weights([np.zeros(3)]),
            ValueError,
            "has weights of shapes",
        ),
        (lambda: convolutional().get_layer("x"), ValueError, "has no layer 'x'"),
    ],
)
def test_mistakes_are_told(act, kind, text):
    with pytest.raises(kind, match=text):
        act()
