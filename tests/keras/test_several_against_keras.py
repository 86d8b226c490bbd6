"""Beside Keras itself: several inputs and outputs, shared layers, weights."""

from __future__ import annotations

import numpy as np
import pytest
from peer import BOTH, CLOSE, keras, ours, pair

from tilewright.kernels import dispatch

rng = np.random.default_rng(0)
IMAGES = rng.random((64, 6, 6, 2), np.float32)
ROWS = rng.standard_normal((64, 5)).astype(np.float32)
KINDS = rng.integers(0, 3, 64)
PRICES = (ROWS @ rng.standard_normal((5, 2))).astype(np.float32)
YES = (ROWS.sum(axis=1) > 0).astype(np.float32)
WEIGHTS = rng.random(64).astype(np.float32) * 2


def forked(form):
    """Two inputs, a tower that both halves go through, three outputs."""

    def make(k):
        L = k.layers
        image, row = k.Input((6, 6, 2), name="image"), k.Input((5,), name="row")
        x = L.Conv2D(4, 3, activation="relu", name="conv")(image)
        x = L.Flatten(name="flat")(x)
        x = L.Dense(8, activation="tanh", name="tower")(x)
        shared = L.Dense(8, activation="relu", name="shared")
        first, second = shared(L.Dense(8, name="lift")(row)), shared(x)
        both = L.Concatenate(name="both")([first, second])
        kind = L.Dense(3, activation="softmax", name="kind")(both)
        price = L.Dense(2, name="price")(both)
        yes = L.Dense(1, activation="sigmoid", name="yes")(
            L.Add(name="sum")([x, first])
        )
        inputs, outputs = [image, row], [kind, price, yes]
        if form == "dict":
            inputs = {"image": image, "row": row}
            outputs = {"kind": kind, "price": price, "yes": yes}
        return k.Model(inputs, outputs)

    return make


X = {"image": IMAGES, "row": ROWS}
Y = {"kind": KINDS, "price": PRICES, "yes": YES}
LOSSES = {
    "kind": "sparse_categorical_crossentropy",
    "price": "mse",
    "yes": "binary_crossentropy",
}
SHARES = {"kind": 1.0, "price": 0.25, "yes": 2.0}
METRICS = {"kind": ["accuracy"], "price": ["mae", "mse"], "yes": "accuracy"}


def listed(value, form):
    """The values of a dict in a row, unless the form is a dict."""
    return value if form == "dict" else list(value.values())


def at(value, rows):
    if isinstance(value, dict):
        return {name: each[rows] for name, each in value.items()}
    return [each[rows] for each in value] if isinstance(value, list) else value[rows]


def ten_losses(make, compiled, x, y, **weights):
    """Losses and metrics of ten steps of both, and then both models."""
    theirs, mine = pair(make)
    reported = []
    for k, model in zip(BOTH, (theirs, mine), strict=True):
        model.compile(**compiled(k))
        found = []
        for step in range(10):
            rows = np.arange(step * 16, step * 16 + 16) % 64
            given = {name: at(value, rows) for name, value in weights.items()}
            if k is keras:
                model.reset_metrics()
            values = model.train_on_batch(
                at(x, rows), at(y, rows), return_dict=True, **given
            )
            found.append({name: float(value) for name, value in values.items()})
        reported.append(found)
    for step, (expected, got) in enumerate(zip(*reported, strict=True)):
        assert set(got) == set(expected), step
        for name, value in expected.items():
            assert got[name] == pytest.approx(value, rel=1e-4, abs=1e-6), (step, name)
    return theirs, mine


def flat(value):
    if isinstance(value, dict):
        return [np.asarray(value[name]) for name in sorted(value)]
    return [np.asarray(each) for each in value] if isinstance(value, list) else [value]


@pytest.mark.parametrize("form", ["list", "dict"])
def test_three_outputs(form):
    def compiled(k):
        return {
            "optimizer": k.optimizers.SGD(0.05, momentum=0.9),
            "loss": listed(LOSSES, form),
            "loss_weights": listed(SHARES, form),
            "metrics": listed(METRICS, form),
        }

    x, y = listed(X, form), listed(Y, form)
    theirs, mine = ten_losses(forked(form), compiled, x, y)
    expected, got = theirs.predict(x, verbose=0), mine.predict(x, verbose=0)
    assert type(got) is type(expected)
    for a, b in zip(flat(got), flat(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-4)
    assert mine.count_params() == theirs.count_params()


def test_fit_evaluate_and_names():
    scores = []
    for model in pair(forked("list")):
        model.compile(
            optimizer="sgd", loss=LOSSES, loss_weights=SHARES, metrics=METRICS
        )
        history = model.fit(
            X, Y, epochs=3, batch_size=16, shuffle=False, verbose=0,
            validation_split=0.25,
        )  # fmt: skip
        scores.append((history, model.evaluate(X, Y, verbose=0, return_dict=True)))
    (theirs, a), (mine, b) = scores
    assert set(mine.history) == set(theirs.history)
    for name, values in theirs.history.items():
        np.testing.assert_allclose(mine.history[name], values, **CLOSE)
    assert a == pytest.approx(b, rel=1e-4)


def test_the_order_of_what_evaluate_returns():
    def two(k):
        row = k.Input((5,), name="row")
        return k.Model(
            row,
            [
                k.layers.Dense(3, activation="softmax", name="kind")(row),
                k.layers.Dense(2, name="price")(row),
            ],
        )

    found = []
    for model in pair(two):
        losses = [LOSSES["kind"], LOSSES["price"]]
        model.compile(optimizer="sgd", loss=losses, metrics=[["accuracy"], ["mae"]])
        found.append(model.evaluate(ROWS, [KINDS, PRICES], verbose=0))
    assert found[1] == pytest.approx([float(value) for value in found[0]], rel=1e-4)


def test_an_output_without_a_loss():
    x, y = listed(X, "list"), listed(Y, "list")
    theirs, mine = pair(forked("list"))
    for model in (theirs, mine):
        model.compile(optimizer="sgd", loss=[None, "mse", None])
    a, b = theirs.evaluate(x, y, verbose=0), mine.evaluate(x, y, verbose=0)
    assert b == pytest.approx(float(a), rel=1e-4)
    assert mine.evaluate(x, [PRICES], verbose=0) == b
    mine.fit(x, {"price": PRICES}, verbose=0)


CASES = {
    "sparse": (3, "softmax", "sparse_categorical_crossentropy", KINDS, ["accuracy"]),
    "sparse logits": (
        3,
        None,
        lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True),
        KINDS,
        ["accuracy"],
    ),
    "categorical": (
        3,
        "softmax",
        lambda k: k.losses.CategoricalCrossentropy(label_smoothing=0.1),
        np.eye(3, dtype=np.float32)[KINDS],
        ["accuracy"],
    ),
    "binary": (1, "sigmoid", "binary_crossentropy", YES, ["accuracy"]),
    "several yes": (3, "sigmoid", "binary_crossentropy", np.eye(3)[KINDS], []),
    "mse": (2, None, "mse", PRICES, ["mae"]),
    "mae": (2, None, "mae", PRICES, ["mse"]),
    "huber": (2, None, lambda k: k.losses.Huber(0.5), PRICES, []),
    "sum": (2, None, lambda k: k.losses.MeanSquaredError(reduction="sum"), PRICES, []),
    "of one's own": (2, None, lambda k: squares, PRICES, []),
}


def squares(y_true, y_pred):
    return (2 * (y_true - y_pred) ** 2).mean(axis=-1)


def dense(width, activation):
    def make(k):
        L = k.layers
        return k.Sequential(
            [k.Input((5,)), L.Dense(8, activation="tanh"), L.Dense(width, activation)]
        )

    return make


@pytest.mark.parametrize("shape", [(64,), (64, 1)], ids=["row", "column"])
@pytest.mark.parametrize("name", CASES)
def test_weights_of_samples(name, shape):
    width, activation, loss, y, metrics = CASES[name]

    def compiled(k):
        return {
            "optimizer": k.optimizers.SGD(0.02),
            "loss": loss(k) if callable(loss) else loss,
            "metrics": list(metrics),
            "weighted_metrics": list(metrics),
        }

    given = {"sample_weight": WEIGHTS.reshape(shape)}
    _, mine = ten_losses(dense(width, activation), compiled, ROWS, y, **given)
    kernels = name in ("sparse", "sparse logits", "categorical", "mse", "sum")
    if kernels and dispatch.unavailable_reason("cpu") is None:
        assert mine._trainer._step.reason is None


@pytest.mark.parametrize("form", ["dict", "one"])
def test_weights_of_samples_of_several_outputs(form):
    def compiled(k):
        return {
            "optimizer": "sgd",
            "loss": LOSSES,
            "weighted_metrics": {"kind": ["accuracy"], "price": ["mae"]},
        }

    weights = {name: WEIGHTS * (n + 1) for n, name in enumerate(Y)}
    given = {"sample_weight": weights}
    if form == "one":
        # train_on_batch of Keras takes one array for all.
        given = {"sample_weight": WEIGHTS}
    ten_losses(forked("dict"), compiled, X, Y, **given)


def test_classes_that_weigh():
    for width, activation, loss, y in (
        (3, "softmax", "sparse_categorical_crossentropy", KINDS),
        (3, "softmax", "categorical_crossentropy", np.eye(3, dtype=np.float32)[KINDS]),
        (1, "sigmoid", "binary_crossentropy", YES),
        (1, None, "mse", YES[:, None]),
    ):

        def compiled(k, loss=loss):
            return {"optimizer": "sgd", "loss": loss, "metrics": ["accuracy"]}

        ten_losses(
            lambda k, width=width, activation=activation: dense(width, activation)(k),
            compiled,
            ROWS,
            y,
            **{},
        )
        found = []
        for model in pair(dense(width, activation)):
            model.compile(optimizer="sgd", loss=loss)
            history = model.fit(
                ROWS, y, epochs=2, shuffle=False, verbose=0,
                class_weight={0: 0.5, 1: 3.0},
            )  # fmt: skip
            found.append(history.history["loss"])
        np.testing.assert_allclose(found[1], found[0], **CLOSE)


def test_fit_and_evaluate_with_weights():
    found = []
    for model in pair(dense(3, "softmax")):
        model.compile(
            optimizer="sgd", loss="sparse_categorical_crossentropy",
            weighted_metrics=["accuracy"],
        )  # fmt: skip
        history = model.fit(
            ROWS, KINDS, epochs=3, batch_size=16, shuffle=False, verbose=0,
            sample_weight=WEIGHTS, validation_data=(ROWS, KINDS, WEIGHTS[::-1]),
        )  # fmt: skip
        scores = model.evaluate(
            ROWS, KINDS, sample_weight=WEIGHTS**2, verbose=0, return_dict=True
        )
        found.append(({**history.history}, scores))
    (theirs, a), (mine, b) = found
    assert set(theirs) == set(mine)
    for name, values in theirs.items():
        np.testing.assert_allclose(mine[name], values, **CLOSE)
    assert b == pytest.approx(a, rel=1e-4)


def test_losses_by_hand_with_weights():
    p = np.abs(rng.random((4, 3), np.float32)) + 0.1
    p /= p.sum(axis=1, keepdims=True)
    y, w = np.array([0, 2, 1, 1]), np.array([1.0, 0.0, 2.0, 0.5], np.float32)
    one_hot = np.eye(3, dtype=np.float32)[y]
    for name, target in (
        ("SparseCategoricalCrossentropy", y),
        ("CategoricalCrossentropy", one_hot),
        ("BinaryCrossentropy", one_hot),
        ("MeanSquaredError", one_hot),
        ("MeanAbsoluteError", one_hot),
        ("Huber", one_hot),
    ):
        for reduction in ("sum_over_batch_size", "sum", "none"):
            theirs = getattr(keras.losses, name)(reduction=reduction)
            mine = getattr(ours.losses, name)(reduction=reduction)
            for given in (None, w):
                expected = np.asarray(theirs(target, p, sample_weight=given))
                got = mine(target, p, sample_weight=given).numpy()
                assert got.shape == expected.shape, (name, reduction)
                np.testing.assert_allclose(got, expected, **CLOSE)


def test_layers_that_merge_and_resize():
    def make(k):
        L = k.layers
        image = k.Input((6, 6, 2))
        a, b = L.Conv2D(3, 1)(image), L.Conv2D(3, 1)(image)
        found = [
            L.Add()([a, b, a]), L.Subtract()([a, b]), L.Multiply()([a, b]),
            L.Average()([a, b, b]), L.Maximum()([a, b]), L.Minimum()([a, b]),
            L.UpSampling2D((2, 3))(a), L.ZeroPadding2D(((1, 0), (2, 3)))(a),
            L.Cropping2D(((1, 0), (2, 1)))(a), a + b * 2.0 - 1.0, 1.0 - a / 4.0, -a * b,
            L.SeparableConv2D(4, 3, depth_multiplier=2, activation="relu")(image),
        ]  # fmt: skip
        return k.Model(image, found)

    theirs, mine = pair(make)
    assert mine.output_shape == theirs.output_shape
    for a, b in zip(
        mine.predict(IMAGES), theirs.predict(IMAGES, verbose=0), strict=True
    ):
        np.testing.assert_allclose(a, b, **CLOSE)


def test_models_in_models():
    def make(k):
        L = k.layers
        row = k.Input((5,), name="row")
        twice = k.Model(row, [L.Dense(4, name="a")(row), L.Dense(3, name="b")(row)])
        first, second = k.Input((5,), name="first"), k.Input((5,), name="second")
        a, b = twice(first)
        c, _ = twice(second)
        tail = k.Sequential([k.Input((11,)), L.Dense(6, activation="relu")])
        both = tail(L.Concatenate()([a, b, c]))
        return k.Model([first, second], L.Dense(3, activation="softmax")(both))

    def compiled(k):
        return {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}

    theirs, mine = ten_losses(make, compiled, [ROWS, ROWS[::-1]], KINDS)
    assert mine.count_params() == theirs.count_params()


def test_frozen_layers_and_batch_normalization():
    def make(k):
        L = k.layers
        base = k.Sequential(
            [
                k.Input((6, 6, 2)), L.Conv2D(4, 3), L.BatchNormalization(),
                L.ReLU(), L.GlobalAveragePooling2D(),
            ]
        )  # fmt: skip
        base.trainable = False
        image = k.Input((6, 6, 2))
        return k.Model(image, L.Dense(3, activation="softmax")(base(image)))

    def compiled(k):
        return {"optimizer": "adam", "loss": "sparse_categorical_crossentropy"}

    theirs, mine = ten_losses(make, compiled, IMAGES, KINDS)
    for model in (theirs, mine):
        model.layers[1].trainable = True
        model.compile(**compiled(keras if model is theirs else ours))
        model.fit(IMAGES, KINDS, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=5e-3, atol=1e-3)
    before = [w.copy() for w in mine.get_weights()]
    mine.layers[1].layers[1].trainable = False
    mine.compile(**compiled(ours))
    mine.fit(IMAGES, KINDS, verbose=0)
    changed = [(a != b).any() for a, b in zip(before, mine.get_weights(), strict=True)]
    # The convolution and the end have moved, the normalization has not.
    assert changed == [True, True, False, False, False, False, True, True]


def test_weights_files_both_ways(tmp_path):
    pytest.importorskip("h5py", reason="needs the extra 'keras-weights'")

    def make(k):
        L = k.layers
        image, row = k.Input((6, 6, 2)), k.Input((5,))
        inner = k.Sequential([k.Input((6, 6, 2)), L.Conv2D(3, 3), L.Conv2D(4, 1)])
        x = L.BatchNormalization()(inner(image))
        x = L.SeparableConv2D(4, 3, depth_multiplier=2)(L.Dropout(0.3)(x))
        x = L.Concatenate()([L.GlobalAveragePooling2D()(x), L.Dense(4)(row)])
        return k.Model([image, row], [L.Dense(3)(x), L.Dense(2)(L.Dense(4)(x))])

    theirs, mine = make(keras), make(ours)
    mine.save_weights(tmp_path / "mine.weights.h5")
    theirs.load_weights(tmp_path / "mine.weights.h5")
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    again, other = make(keras), make(ours)
    again.save_weights(tmp_path / "theirs.weights.h5")
    other.load_weights(tmp_path / "theirs.weights.h5")
    x = [IMAGES, ROWS]
    for a, b in zip(other.predict(x), again.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)
