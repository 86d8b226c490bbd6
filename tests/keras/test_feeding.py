"""What `fit`, `evaluate` and `predict` of a Keras model take besides arrays."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import data, keras
from tilewright.keras import layers

rng = np.random.default_rng(0)
ROWS = rng.random((40, 4), np.float32)
KINDS = rng.integers(0, 3, 40)
WEIGHTS = rng.random(40, np.float32)


def model(*, built=True):
    tw.manual_seed(0)
    front = [keras.Input((4,))] if built else []
    made = keras.Sequential([*front, layers.Dense(3, activation="softmax")])
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def batches(weights=False):
    arrays = (ROWS, KINDS, WEIGHTS) if weights else (ROWS, KINDS)
    for start in range(0, 40, 8):
        yield tuple(array[start : start + 8] for array in arrays)


class Numbered(keras.utils.PyDataset):
    def __init__(self, weights=False):
        super().__init__()
        self.all = list(batches(weights))
        self.asked = []
        self.ended = 0

    def __len__(self):
        return len(self.all)

    def __getitem__(self, index):
        self.asked.append(index)
        return self.all[index]

    def on_epoch_end(self):
        self.ended += 1


SOURCES = {
    "arrays": lambda: {"x": ROWS, "y": KINDS, "batch_size": 8},
    "lists": lambda: {"x": ROWS.tolist(), "y": KINDS.tolist(), "batch_size": 8},
    "data set": lambda: {"x": data.ArrayDataset(ROWS, KINDS), "batch_size": 8},
    "loader": lambda: {"x": data.DataLoader(data.ArrayDataset(ROWS, KINDS), 8)},
    "list of batches": lambda: {"x": data.BatchStream(list(batches()))},
    "PyDataset": lambda: {"x": Numbered()},
    "generator": lambda: {"x": (b for _ in range(9) for b in batches()),
                          "steps_per_epoch": 5},
}  # fmt: skip


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("name", SOURCES)
def test_all_sources_give_the_same(name, built):
    expected = model(built=built)
    history = expected.fit(ROWS, KINDS, 8, epochs=3, shuffle=False, verbose=0)
    got = model(built=built)
    again = got.fit(**SOURCES[name](), epochs=3, shuffle=False, verbose=0)
    assert again.history == history.history
    for a, b in zip(got.get_weights(), expected.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_one_array_in_a_row_and_numbers_in_rows():
    made = model()
    expected = made.predict(ROWS[:1], verbose=0)
    for x in ([ROWS[:1]], (ROWS[:1],), ROWS[:1].tolist(), [tuple(ROWS[0])]):
        np.testing.assert_array_equal(made.predict(x, verbose=0), expected)
    np.testing.assert_array_equal(
        made.predict({made.input_names[0]: ROWS[:1]}, verbose=0), expected
    )
    score = made.evaluate([ROWS], [KINDS], verbose=0)
    assert score == made.evaluate(ROWS, KINDS.tolist(), verbose=0)


def test_weights_come_with_the_batches():
    expected, got = model(), model()
    expected.fit(
        ROWS, KINDS, 8, shuffle=False, verbose=0, sample_weight=WEIGHTS, epochs=2
    )
    got.fit(Numbered(weights=True), shuffle=False, verbose=0, epochs=2)
    for a, b in zip(got.get_weights(), expected.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    score = expected.evaluate(ROWS, KINDS, sample_weight=WEIGHTS, verbose=0)
    assert got.evaluate(batches(weights=True), verbose=0) == pytest.approx(score)


def test_class_weight_goes_with_every_source():
    heavier = {0: 2.0, 2: 0.25}
    expected = model()
    expected.fit(ROWS, KINDS, 8, shuffle=False, verbose=0, class_weight=heavier)
    for name in ("data set", "loader", "PyDataset"):
        got = model()
        got.fit(**SOURCES[name](), shuffle=False, verbose=0, class_weight=heavier)
        for a, b in zip(got.get_weights(), expected.get_weights(), strict=True):
            assert a.tobytes() == b.tobytes(), name


def test_the_end_of_a_data_set_is_evaluated():
    def halved(x, y, visit):
        return x / 2, y

    whole = data.ArrayDataset(ROWS, KINDS, transform=halved)
    expected, got = model(), model()
    found = got.fit(whole, batch_size=8, validation_split=0.2, shuffle=False, verbose=0)
    known = expected.fit(
        ROWS[:32] / 2, KINDS[:32], 8, validation_data=(ROWS[32:], KINDS[32:]),
        shuffle=False, verbose=0,
    )  # fmt: skip
    assert found.history.keys() == known.history.keys()
    for name, values in known.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=1e-6)


def test_a_numbered_data_set_is_shuffled_and_told_of_the_end():
    orders = []
    for shuffle in (True, False):
        numbered = Numbered()
        model().fit(numbered, epochs=2, shuffle=shuffle, verbose=0)
        assert numbered.ended == 2
        orders.append(numbered.asked)
    assert orders[1] == [0, 1, 2, 3, 4] * 2
    first, second = orders[0][:5], orders[0][5:]
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    assert orders[0] != orders[1]
    again = Numbered()
    model().fit(again, epochs=2, verbose=0)  # from the same seed
    assert again.asked == orders[0]


def test_other_libraries_loaders():
    torch = pytest.importorskip("torch", reason="a loader of PyTorch's")
    pairs = torch.utils.data.TensorDataset(torch.tensor(ROWS), torch.tensor(KINDS))
    loader = torch.utils.data.DataLoader(pairs, batch_size=8)
    expected, got = model(), model(built=False)
    expected.fit(ROWS, KINDS, 8, epochs=2, shuffle=False, verbose=0)
    got.fit(loader, epochs=2, validation_data=loader, verbose=0)
    for a, b in zip(got.get_weights(), expected.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    np.testing.assert_array_equal(got.predict(loader), got.predict(ROWS, 8))


def test_steps_go_on_where_the_epoch_before_ended():
    whole, in_parts = model(), model()
    whole.fit(ROWS, KINDS, 8, epochs=2, shuffle=False, verbose=0)
    history = in_parts.fit(
        ROWS, KINDS, 8, epochs=5, steps_per_epoch=2, shuffle=False, verbose=0
    )
    assert len(history.epoch) == 5
    for a, b in zip(in_parts.get_weights(), whole.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_generator_is_gone_through_once():
    made = model()
    with pytest.raises(ValueError, match="so give steps"):
        made.fit(batches(), epochs=2, verbose=0)
    with pytest.warns(UserWarning, match="ended after 5 of 7 batches"):
        made.fit(batches(), steps_per_epoch=7, verbose=0)
    made.fit(batches(), verbose=1)


def test_some_of_the_batches_are_evaluated():
    made = model()
    expected = made.evaluate(ROWS[:16], KINDS[:16], verbose=0)
    endless = (batch for _ in range(100) for batch in batches())
    for x, y in ((ROWS, KINDS), (Numbered(), None), (endless, None)):
        given = {} if y is None else {"y": y, "batch_size": 8}
        assert made.evaluate(x, **given, steps=2, verbose=0) == pytest.approx(expected)
    history = made.fit(
        ROWS, KINDS, epochs=2, verbose=0, validation_data=Numbered(),
        validation_steps=2,
    )  # fmt: skip
    expected = made.evaluate(ROWS[:16], KINDS[:16], verbose=0)
    assert history.history["val_loss"][-1] == pytest.approx(expected[0])
    assert made.predict(ROWS, 8, steps=3).shape == (24, 3)
    assert made.predict((x for x, _ in batches()), steps=4).shape == (32, 3)


def test_single_batches():
    made, other = model(), model(built=False)
    before = made.test_on_batch(ROWS, KINDS)
    assert made.train_on_batch(ROWS, KINDS) == pytest.approx(before)
    other.train_on_batch(ROWS, KINDS)
    assert made.test_on_batch(ROWS, KINDS)[0] < before[0]
    scores = made.test_on_batch(ROWS, KINDS, WEIGHTS, return_dict=True)
    assert set(scores) == {"loss", "accuracy"}
    np.testing.assert_array_equal(
        made.predict_on_batch(ROWS), made.predict(ROWS, verbose=0)
    )


@pytest.mark.parametrize(
    ("act", "kind", "text"),
    [
        (lambda m: m.fit(batches(), KINDS), ValueError, "part of the batches of a gen"),
        (
            lambda m: m.fit(batches(), validation_split=0.5),
            ValueError,
            "validation_split is for arrays",
        ),
        (
            lambda m: m.fit(ROWS, KINDS, sample_weight=WEIGHTS[:7]),
            ValueError,
            "x has 40 samples but sample_weight has 7",
        ),
        (
            lambda m: m.fit(ROWS, KINDS, sample_weight=np.ones((40, 2))),
            ValueError,
            r"sample_weight of shape \(32, 2\) does not fit losses of shape \(32,\)",
        ),
        (
            lambda m: m.fit(ROWS, KINDS, sample_weight=WEIGHTS, class_weight={0: 1.0}),
            ValueError,
            "cannot both be given",
        ),
        (
            lambda m: m.fit(ROWS, KINDS, epochs=2, initial_epoch=2),
            ValueError,
            r"initial_epoch must be in \[0, epochs=2\), got 2",
        ),
        (
            lambda m: m.fit(ROWS, KINDS, validation_freq=0),
            ValueError,
            "validation_freq must be >= 1, got 0",
        ),
        (
            lambda m: m.fit(ROWS, KINDS, steps_per_epoch=0),
            ValueError,
            "steps must be >= 1, got 0",
        ),
        (
            lambda m: m.fit((ROWS,) * 4 for _ in range(3)),
            ValueError,
            "a batch must be .* got 4 parts",
        ),
        (lambda m: m.fit(ROWS for _ in range(3)), ValueError, "need x and y"),
    ],
)
def test_mistakes_are_told(act, kind, text):
    with pytest.raises(kind, match=text):
        act(model())


def two():
    image, text = keras.Input((4,), name="image"), keras.Input((3,), name="text")
    both = layers.concatenate([image, text])
    made = keras.Model(
        [image, text],
        [layers.Dense(3, name="kind")(both), layers.Dense(1, name="price")(both)],
    )
    made.compile("sgd", {"kind": "mse", "price": "mse"})
    return made


@pytest.mark.parametrize(
    ("act", "kind", "text"),
    [
        (
            lambda m: m.predict(ROWS),
            ValueError,
            "2 inputs, 'image', 'text'; .* one arr",
        ),
        (lambda m: m.predict([ROWS]), ValueError, "one array each, got 1"),
        (
            lambda m: m.predict({"image": ROWS}),
            ValueError,
            "x: the model's inputs are 'image', 'text', got a dict with 'image'",
        ),
        (
            lambda m: m.fit([ROWS, ROWS[:, :3]], {"kind": ROWS[:, :3]}),
            ValueError,
            "y: lacks the output 'price', which has a loss",
        ),
        (
            lambda m: m.fit([ROWS, ROWS[:5, :3]], [ROWS[:, :3], ROWS[:, :1]]),
            ValueError,
            "the inputs have 40 and 5 samples",
        ),
        (
            lambda m: m.fit(
                [ROWS, ROWS[:, :3]], [ROWS[:, :3], ROWS[:, :1]], class_weight={0: 1.0}
            ),
            ValueError,
            "class_weight is for models with one output",
        ),
        (
            lambda m: m.fit(
                [ROWS, ROWS[:, :3]],
                [ROWS[:, :3], ROWS[:, :1]],
                sample_weight=np.ones((40, 3)),
            ),
            ValueError,
            "one array for several outputs must have one weight for each sample",
        ),
        (
            lambda m: recompiled(m, loss={"kinds": "mse"}),
            ValueError,
            "loss is for 'kinds', the outputs are 'kind', 'price'",
        ),
        (
            lambda m: recompiled(m, loss=["mse"]),
            ValueError,
            "loss must have one entry for each of the outputs 'kind', 'price'",
        ),
        (
            lambda m: recompiled(m, loss="mse", loss_weights=[1, "2"]),
            TypeError,
            "loss_weights must be numbers, got '2'",
        ),
        (
            lambda m: recompiled(m, loss="mse", metrics=["mae"]),
            ValueError,
            "metrics must have one entry for each",
        ),
        (
            lambda m: recompiled(m, loss="mse", weighted_metrics=[["auc"], None]),
            ValueError,
            "kind_auc takes no weights",
        ),
    ],
)
def test_mistakes_with_several_are_told(act, kind, text):
    with pytest.raises(kind, match=text):
        act(two())


def recompiled(made, **options):
    made.compile("sgd", **options)
    made.fit([ROWS, ROWS[:, :3]], [ROWS[:, :3], ROWS[:, :1]], verbose=0)
