"""Beside Keras itself: same weights in, same outputs and same ten losses."""

from __future__ import annotations

import numpy as np
import pytest
from peer import (
    CLOSE,
    assert_same_outputs,
    assert_same_training,
    keras,
    ours,
    pair,
    predictions,
)

rng = np.random.default_rng(0)
IMAGES = rng.random((48, 12, 12, 3), np.float32)
LABELS = rng.integers(0, 5, 48)
ROWS = rng.standard_normal((64, 6)).astype(np.float32)
THIRDS = (ROWS[:, :3]).argmax(axis=1)
YES = (ROWS @ rng.standard_normal(6) > 0).astype(np.float32)
NUMBERS = (ROWS @ rng.standard_normal((6, 2))).astype(np.float32)


def after(layer, shape=(12, 12, 3)):
    """A model of one layer."""

    def make(k):
        inputs = k.Input(shape)
        return k.Model(inputs, layer(k.layers)(inputs))

    return make


LAYERS = {
    "conv": lambda L: L.Conv2D(4, 3),
    "conv same": lambda L: L.Conv2D(4, (3, 2), padding="same", activation="relu"),
    "conv strides": lambda L: L.Conv2D(4, 3, strides=2, padding="same"),
    "conv dilated": lambda L: L.Conv2D(4, 3, dilation_rate=2, use_bias=False),
    "conv groups": lambda L: L.Conv2D(6, 3, groups=3, activation="tanh"),
    "transposed": lambda L: L.Conv2DTranspose(4, (3, 2), activation="relu"),
    "transposed same": lambda L: L.Conv2DTranspose(4, 3, strides=2, padding="same"),
    "transposed far": lambda L: L.Conv2DTranspose(2, 2, strides=3, use_bias=False),
    "transposed wide": lambda L: L.Conv2DTranspose(2, 4, strides=(2, 1)),
    "transposed odd": lambda L: L.Conv2DTranspose(2, 5, strides=3, padding="same"),
    "depthwise": lambda L: L.DepthwiseConv2D(3, depth_multiplier=2),
    "depthwise same": lambda L: L.DepthwiseConv2D(3, strides=2, padding="same"),
    "max pool": lambda L: L.MaxPooling2D(),
    "max pool same": lambda L: L.MaxPooling2D(5, 2, padding="same"),
    "average pool": lambda L: L.AveragePooling2D((2, 3)),
    "average pool same": lambda L: L.AveragePooling2D(3, 1, padding="same"),
    "global average": lambda L: L.GlobalAveragePooling2D(),
    "global max": lambda L: L.GlobalMaxPooling2D(),
    "flatten": lambda L: L.Flatten(),
    "dense": lambda L: L.Dense(5, activation="sigmoid"),
    "dropout": lambda L: L.Dropout(0.5),
    "relu": lambda L: L.ReLU(negative_slope=0.1),
    "relu6": lambda L: L.ReLU(max_value=6),
    "leaky relu": lambda L: L.LeakyReLU(),
    "softmax": lambda L: L.Softmax(),
    "batch norm": lambda L: L.BatchNormalization(),
    "rescaling": lambda L: L.Rescaling(2.0, -1.0),
    "reshape": lambda L: L.Reshape((6, -1)),
    "flip": lambda L: L.RandomFlip(),
}
for name in (
    "elu", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_softmax", "relu",
    "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish",
    "tanh",
):  # fmt: skip
    LAYERS[f"activation {name}"] = lambda L, name=name: L.Activation(name)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    x = 4 * IMAGES[:3] - 2
    theirs, mine = assert_same_outputs(after(LAYERS[name]), x)
    assert mine.count_params() == theirs.count_params()
    shapes = [weight.shape for weight in theirs.get_weights()]
    assert [weight.shape for weight in mine.get_weights()] == shapes


def test_average_pooling_leaves_uneven_padding_out():
    # TensorFlow's way; Keras on PyTorch repeats the edge instead.
    x = IMAGES[:2]
    mine = ours.layers.AveragePooling2D(5, 2, padding="same")(x).data
    for row, column in np.ndindex(6, 6):
        top, left = 2 * row - 1, 2 * column - 1
        window = x[:, max(top, 0) : top + 5, max(left, 0) : left + 5]
        expected = window.mean(axis=(1, 2))
        np.testing.assert_allclose(mine[:, row, column], expected, **CLOSE)


WARPS = {
    "rotation": lambda L, **o: L.RandomRotation((0.1, 0.1), **o),
    "translation": lambda L, **o: L.RandomTranslation((0.2, 0.2), (-0.1, -0.1), **o),
    "zoom out": lambda L, **o: L.RandomZoom((0.3, 0.3), **o),
    "zoom in": lambda L, **o: L.RandomZoom((-0.3, -0.3), (-0.1, -0.1), **o),
}


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", ["reflect", "constant", "wrap", "nearest"])
@pytest.mark.parametrize("name", WARPS)
def test_augmentation_by_a_known_amount(name, fill_mode, interpolation):
    options = {"fill_mode": fill_mode, "interpolation": interpolation}
    x = IMAGES[:2]
    theirs = WARPS[name](keras.layers, **options)(x, training=True)
    mine = WARPS[name](ours.layers, **options)(x, training=True)
    # A pixel beside another where rounding decides between them.
    away = np.abs(mine.data - np.asarray(theirs)) > 1e-3
    assert away.mean() < 0.03


def cnn(k):
    L = k.layers
    return k.Sequential(
        [
            k.Input((12, 12, 3)),
            L.Conv2D(8, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(8, 3, activation="relu", padding="same"),
            L.Flatten(),
            L.Dense(16, activation="relu"),
            L.Dense(5, activation="softmax"),
        ]
    )


def residual(k):
    L = k.layers
    inputs = k.Input((12, 12, 3))
    x = L.Rescaling(2.0, offset=-1.0)(inputs)
    x = L.Conv2D(6, 3, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    x = L.Activation("relu")(x)
    y = L.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = L.Add()([x, y])
    x = L.Concatenate()([x, L.AveragePooling2D(3, 1, padding="same")(x)])
    x = L.GlobalAveragePooling2D()(x)
    return k.Model(inputs, L.Dense(5)(x))


def perceptron(outputs, activation=None, **options):
    def make(k):
        L = k.layers
        return k.Sequential(
            [
                k.Input((6,)),
                L.Dense(12, activation="tanh", **options),
                L.Dense(outputs, activation=activation),
            ]
        )

    return make


OPTIMIZERS = {
    "adam": lambda k: "adam",
    "Adam": lambda k: k.optimizers.Adam(0.01, beta_1=0.8, epsilon=1e-3),
    "rmsprop": lambda k: "rmsprop",
    "RMSprop": lambda k: k.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "sgd": lambda k: "sgd",
    "SGD": lambda k: k.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda k: k.optimizers.Adagrad(0.1),
    "adamw": lambda k: k.optimizers.AdamW(0.01, weight_decay=0.1),
    "clipnorm": lambda k: k.optimizers.SGD(0.1, clipnorm=0.1),
    "clipvalue": lambda k: k.optimizers.SGD(0.1, clipvalue=0.01),
    "global_clipnorm": lambda k: k.optimizers.Adam(0.01, global_clipnorm=0.1),
    "exponential": lambda k: k.optimizers.SGD(
        k.optimizers.schedules.ExponentialDecay(0.2, 3, 0.5), momentum=0.9
    ),
    "staircase": lambda k: k.optimizers.Adam(
        k.optimizers.schedules.ExponentialDecay(0.02, 3, 0.5, staircase=True)
    ),
    "cosine": lambda k: k.optimizers.RMSprop(
        k.optimizers.schedules.CosineDecay(
            0.001, 7, 0.1, warmup_target=0.02, warmup_steps=3
        ),
        momentum=0.5,
    ),
    "piecewise": lambda k: k.optimizers.SGD(
        k.optimizers.schedules.PiecewiseConstantDecay([2, 5], [0.1, 0.01, 0.05])
    ),
    "polynomial": lambda k: k.optimizers.SGD(
        k.optimizers.schedules.PolynomialDecay(0.1, 6, 0.01, power=2.0)
    ),
    "inverse": lambda k: k.optimizers.SGD(
        k.optimizers.schedules.InverseTimeDecay(0.1, 2, 0.5)
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_losses_with_each_optimizer(name):
    def compiled(k):
        return {
            "optimizer": OPTIMIZERS[name](k),
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
        }

    assert_same_training(
        perceptron(5, "softmax"),
        compiled,
        ROWS,
        LABELS[:1].repeat(64) + (ROWS[:, 0] > 0),
    )  # noqa: E501


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_ten_losses_of_a_convolutional_network(optimizer):
    def compiled(k):
        return {
            "optimizer": optimizer,
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy", "sparse_top_k_categorical_accuracy"],
        }

    assert_same_training(cnn, compiled, IMAGES, LABELS)


def test_ten_losses_of_an_autoencoder():
    def make(k):
        L = k.layers
        return k.Sequential(
            [
                k.Input((12, 12, 3)),
                L.Conv2D(6, 3, strides=2, padding="same", activation="relu"),
                L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
                L.UpSampling2D(),
                L.MaxPooling2D(),
                L.Conv2D(3, 3, padding="same", activation="sigmoid"),
            ]
        )

    def compiled(k):
        return {"optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["mse"]}

    assert_same_training(make, compiled, IMAGES, IMAGES)


def test_ten_losses_of_a_graph_with_batch_normalization():
    def compiled(k):
        return {
            "optimizer": k.optimizers.SGD(0.05, momentum=0.9),
            "loss": k.losses.SparseCategoricalCrossentropy(from_logits=True),
            "metrics": ["accuracy"],
        }

    theirs, mine = assert_same_training(residual, compiled, IMAGES, LABELS)
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


LOSSES = {
    "binary": (1, "sigmoid", lambda k: "binary_crossentropy", YES, ["accuracy"]),
    "binary logits": (
        1,
        None,
        lambda k: k.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        YES[:, None],
        [],
    ),
    "binary on shares": (
        1,
        "hard_sigmoid",
        lambda k: "binary_crossentropy",
        YES[:, None],
        [],
    ),
    "mse": (2, None, lambda k: "mse", NUMBERS, ["mae"]),
    "mae": (2, None, lambda k: "mean_absolute_error", NUMBERS, ["mse"]),
    "huber": (2, None, lambda k: k.losses.Huber(0.5), NUMBERS, []),
    "mse of one": (1, None, lambda k: "mean_squared_error", NUMBERS[:, :1], []),
    "mse of a softmax": (2, "softmax", lambda k: "mse", np.eye(2)[YES.astype(int)], []),
    "categorical": (
        2,
        "softmax",
        lambda k: "categorical_crossentropy",
        np.eye(2)[YES.astype(int)],
        ["accuracy", "categorical_accuracy"],
    ),
    "categorical smoothed": (
        2,
        "softmax",
        lambda k: k.losses.CategoricalCrossentropy(label_smoothing=0.2),
        np.eye(2, dtype=np.float32)[YES.astype(int)],
        ["accuracy"],
    ),
    "categorical soft": (
        2,
        None,
        lambda k: k.losses.CategoricalCrossentropy(from_logits=True),
        np.stack([0.3 + 0.4 * YES, 0.7 - 0.4 * YES], axis=1),
        [],
    ),
    "sparse on sigmoids": (
        2,
        "sigmoid",
        lambda k: "sparse_categorical_crossentropy",
        YES.astype(np.uint8),
        ["accuracy"],
    ),
    "sparse column": (
        2,
        "softmax",
        lambda k: "sparse_categorical_crossentropy",
        YES.astype(np.int32)[:, None],
        ["sparse_categorical_accuracy"],
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_ten_losses_with_each_loss(name):
    width, activation, loss, y, metrics = LOSSES[name]

    def compiled(k):
        return {
            "optimizer": k.optimizers.SGD(0.1),
            "loss": loss(k),
            "metrics": list(metrics),
        }

    assert_same_training(perceptron(width, activation), compiled, ROWS, y)


@pytest.mark.parametrize(
    "penalty",
    [
        lambda k: k.regularizers.l1(0.01),
        lambda k: k.regularizers.l2(0.02),
        lambda k: k.regularizers.l1_l2(0.01, 0.02),
        lambda k: "l2",
    ],
)
def test_ten_losses_with_penalties(penalty):
    def make(k):
        return perceptron(2, kernel_regularizer=penalty(k), bias_regularizer="l1")(k)

    def compiled(k):
        return {"optimizer": k.optimizers.Adam(0.01), "loss": "mse"}

    assert_same_training(make, compiled, ROWS, NUMBERS)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_ten_losses_with_penalties_on_activities(penalty):
    def make(k):
        L = k.layers
        return k.Sequential(
            [
                k.Input((6,)),
                L.Dense(8, activation="relu", activity_regularizer=penalty),
                L.Dense(2, kernel_regularizer="l2", activity_regularizer="l1"),
            ]
        )

    def compiled(k):
        return {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]}

    theirs, mine = assert_same_training(make, compiled, ROWS, NUMBERS)
    expected = theirs.evaluate(ROWS, NUMBERS, verbose=0)
    assert mine.evaluate(ROWS, NUMBERS, verbose=0) == pytest.approx(expected, rel=1e-4)


def fitted(make, x, y, **options):
    """Histories of both, without shuffling."""
    found = []
    for k, model in zip((keras, ours), pair(make), strict=True):
        model.compile(
            optimizer=k.optimizers.SGD(0.1),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        history = model.fit(x, y, epochs=3, shuffle=False, verbose=0, **options)
        found.append((history, model))
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 10, "validation_split": 0.3},
        {"class_weight": {0: 0.3, 1: 2.0}},
        {"batch_size": 64},
    ],
    ids=str,
)
def test_fit_and_evaluate(options):
    y = YES.astype(np.int64)
    make = perceptron(2, "softmax")
    (theirs, a), (mine, b) = fitted(make, ROWS, y, **options)
    assert set(mine.history) == set(theirs.history) and mine.epoch == theirs.epoch
    for name, values in theirs.history.items():
        np.testing.assert_allclose(mine.history[name], values, **CLOSE)
    np.testing.assert_allclose(
        b.evaluate(ROWS, y, verbose=0), a.evaluate(ROWS, y, verbose=0), **CLOSE
    )


def test_callbacks_take_the_same_decisions():
    rates = [[], []]
    results = []
    for place, (k, model) in enumerate(
        zip((keras, ours), pair(perceptron(2, "softmax")), strict=True)
    ):

        class Rates(k.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None, place=place):
                rates[place].append(float(self.model.optimizer.learning_rate))

        model.compile(
            optimizer=k.optimizers.SGD(1.0), loss="sparse_categorical_crossentropy"
        )
        history = model.fit(
            ROWS, YES.astype(int), epochs=40, shuffle=False, verbose=0,
            validation_split=0.5,
            callbacks=[
                k.callbacks.ReduceLROnPlateau(patience=2, factor=0.5, cooldown=1),
                Rates(),
                k.callbacks.EarlyStopping(patience=6, restore_best_weights=True),
            ],
        )  # fmt: skip
        results.append((len(history.epoch), predictions(model, ROWS)))
    assert rates[0] == pytest.approx(rates[1])
    assert len(set(rates[0])) > 1
    assert results[0][0] == results[1][0] < 40
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-3, atol=1e-4)


def test_initial_values_are_drawn_from_the_same_distributions():
    for name in (
        "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
        "lecun_normal", "random_normal", "random_uniform", "truncated_normal",
    ):  # fmt: skip
        both = []
        for k in (keras, ours):
            layer = k.layers.Conv2D(64, 3, kernel_initializer=name)
            layer.build((None, 8, 8, 32))
            both.append(layer.get_weights()[0])
        theirs, mine = both
        assert mine.std() == pytest.approx(theirs.std(), rel=0.03), name
        assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.25)
    for k in (keras, ours):
        layer = k.layers.DepthwiseConv2D(3, depth_multiplier=2)
        layer.build((None, 8, 8, 32))
        limit = np.sqrt(6 / (9 * 32 + 9 * 2))
        assert np.abs(layer.get_weights()[0]).max() == pytest.approx(limit, rel=0.05)


def test_defaults():
    for name, ones in {
        "Adam": ("learning_rate", "beta_1", "beta_2", "epsilon"),
        "AdamW": ("learning_rate", "weight_decay", "epsilon"),
        "RMSprop": ("learning_rate", "rho", "momentum", "epsilon", "centered"),
        "SGD": ("learning_rate", "momentum", "nesterov"),
        "Adagrad": ("learning_rate", "initial_accumulator_value", "epsilon"),
    }.items():
        theirs = getattr(keras.optimizers, name)()
        mine = getattr(ours.optimizers, name)()
        for option in ones:
            value = float(getattr(theirs, option))
            assert float(getattr(mine, option)) == pytest.approx(value), (name, option)


def test_losses_by_themselves():
    y = np.array([0, 1, 1])
    p = np.array([[0.7, 0.3], [0.2, 0.8], [0.9, 0.1]], np.float32)
    for name, target, output in (
        ("SparseCategoricalCrossentropy", y, p),
        ("CategoricalCrossentropy", np.eye(2, dtype=np.float32)[y], p),
        ("BinaryCrossentropy", y[:, None].astype(np.float32), p[:, :1]),
        ("MeanSquaredError", y[:, None].astype(np.float32), p[:, :1]),
        ("MeanAbsoluteError", y[:, None].astype(np.float32), p[:, :1]),
        ("Huber", y[:, None].astype(np.float32), p[:, :1]),
    ):
        theirs = getattr(keras.losses, name)()(target, output)
        mine = getattr(ours.losses, name)()(target, output)
        assert mine.item() == pytest.approx(float(theirs), rel=1e-5), name


def test_metrics_by_themselves():
    y = np.array([0, 1, 1, 2])
    p = np.array(
        [[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.3, 0.6]], np.float32
    )
    one_hot = np.eye(3, dtype=np.float32)[y]
    for name, options, target, output in (
        ("SparseCategoricalAccuracy", {}, y, p),
        ("CategoricalAccuracy", {}, one_hot, p),
        ("BinaryAccuracy", {"threshold": 0.25}, one_hot, p),
        ("SparseTopKCategoricalAccuracy", {"k": 2}, y, p),
        ("TopKCategoricalAccuracy", {"k": 2}, one_hot, p),
        ("Precision", {}, one_hot, p),
        ("Recall", {"thresholds": 0.25}, one_hot, p),
        ("MeanSquaredError", {}, one_hot, p),
        ("MeanAbsoluteError", {}, one_hot, p),
        ("AUC", {"num_thresholds": 2000}, one_hot, p),
    ):
        theirs = getattr(keras.metrics, name)(**options)
        options.pop("num_thresholds", None)
        mine = getattr(ours.metrics, name)(**options)
        for part in (slice(0, 3), slice(3, 4)):
            theirs.update_state(target[part], output[part])
            mine.update_state(target[part], output[part])
        expected = float(theirs.result())
        assert mine.result() == pytest.approx(expected, abs=2e-3), name
        mine.reset_state()
