"""Tables: read, cleaned, split, and scaled by the training part alone."""

import numpy as np
import pytest

import tilewright as tw
from tilewright import data
from tilewright.data.splitting import split_rows

pd = pytest.importorskip("pandas", reason="needs the extra 'pandas'")
pytest.importorskip("sklearn", reason="needs the extra 'pandas'")


def flowers(size=200, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["iris", "rose", "tulip"], size, p=[0.6, 0.3, 0.1])
    height = rng.normal(50, 10, size) + 30 * (kind == "rose")
    return pd.DataFrame(
        {
            "height": height,
            "colour": rng.choice(["red", "white"], size),
            "petals": rng.integers(3, 30, size),
            "kind": kind,
        }
    )


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet"])
def test_files_of_each_kind(tmp_path, name):
    frame = flowers(20)
    path = tmp_path / name
    if "parquet" in name:
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if "tsv" in name else ",")
    pd.testing.assert_frame_equal(data.read_table(path), frame)
    two = data.read_table(path, ["kind", "height"])
    assert set(two.columns) == {"kind", "height"}
    with pytest.raises(ValueError, match=f"read_table: .*{name}.*"):
        data.read_table(path, ["weight"])


def test_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file: .*none.csv"):
        data.read_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="expected a file in .csv, .tsv"):
        data.read_table(tmp_path / "table.xls")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match="read_table: .*broken.parquet"):
        data.read_table(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="read_table: .*empty.csv"):
        data.read_table(tmp_path / "empty.csv")


def dirty():
    return pd.DataFrame(
        {
            "age": [31, None, "forty", 4000, 31, np.inf, 52],
            "name": ["a", "b", "c", "d", "a", "e", None],
        }
    )


def test_bad_rows_are_removed_and_counted():
    before = dirty()
    rows, removed = data.clean(before, {"age": (0, 120)})
    assert removed == {"missing": 3, "age out of [0, 120]": 2, "duplicate": 1}
    assert rows["age"].tolist() == [31] and rows.index.tolist() == [0]
    assert rows["age"].dtype.kind in "if"
    pd.testing.assert_frame_equal(before, dirty())


def test_what_may_stay_stays():
    rows, removed = data.clean(dirty(), missing="keep", duplicates="keep")
    assert len(rows) == 7 and removed == {} and rows["age"].isna().sum() == 2
    rows, removed = data.clean(dirty(), {"age": (0, 120)}, missing="keep")
    assert removed == {"age out of [0, 120]": 2, "duplicate": 1}
    assert rows.index.tolist() == [0, 1, 5, 6]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ranges": {"weight": (0, 1)}}, ValueError, "no column 'weight' among age, n"),
        ({"missing": "fill"}, ValueError, "missing must be 'drop' or 'keep', got 'f"),
        ({"ranges": {"age": (500, 600)}}, ValueError, "no row is left; removed: {'mi"),
    ],
)
def test_bad_cleaning(arguments, error, message):
    with pytest.raises(error, match=message):
        data.clean(dirty(), **arguments)
    with pytest.raises(TypeError, match="must be a pandas DataFrame, got list"):
        data.clean([1, 2])


def test_scaling_is_fitted_on_the_training_part_alone():
    frame = flowers()
    table = data.prepare_table(frame, "kind", test_size=0.25, seed=4)
    assert table.features == ["height", "petals", "colour_red", "colour_white"]
    assert table.classes == ["iris", "rose", "tulip"]
    assert (len(table.train), len(table.test)) == (150, 50)
    assert table.train.x.dtype == np.float32 and table.train.y.dtype == np.int64
    np.testing.assert_allclose(table.train.x[:, :2].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(table.train.x[:, :2].std(0), 1, atol=1e-5)
    assert abs(table.test.x[:, 0].mean()) > 1e-3
    # Other test rows, the same training rows: nothing may change for these.
    labels = np.unique(frame["kind"], return_inverse=True)[1]
    _, rows = split_rows("test", len(frame), 0.25, labels, 4)
    np.testing.assert_array_equal(labels[rows], table.test.y)
    frame.loc[frame.index[rows], "height"] += 1000.0
    again = data.prepare_table(frame, "kind", test_size=0.25, seed=4)
    np.testing.assert_array_equal(again.train.x, table.train.x)
    assert again.test.x[:, 0].min() > 10


def test_split_keeps_the_classes_shares():
    table = data.prepare_table(flowers(400), "kind", test_size=0.5)
    counts = [np.bincount(part.y) for part in (table.train, table.test)]
    assert np.abs(counts[0] - counts[1]).max() <= 1
    again = data.prepare_table(flowers(400), "kind", test_size=0.5)
    np.testing.assert_array_equal(again.test.y, table.test.y)
    other = data.prepare_table(flowers(400), "kind", test_size=0.5, seed=1)
    assert not np.array_equal(other.test.x, table.test.x)


def test_missing_values_and_unknown_categories():
    frame = flowers()
    frame.loc[::5, "height"] = np.nan
    frame.loc[::7, "colour"] = None
    table = data.prepare_table(frame, "kind")
    assert np.isfinite(table.train.x).all()
    new = flowers(2)
    new["colour"] = "blue"
    assert table.transform(new)[:, 2:].sum() == 0
    with pytest.raises(ValueError, match="height"):
        table.transform(new.drop(columns="height"))


def test_regression_target():
    table = data.prepare_table(flowers(), "height", task="regression")
    assert table.classes is None
    assert table.train.y.shape == (160, 1) and table.train.y.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda f: f, {"target": "weight"}, "no column 'weight' among height"),
        (lambda f: f, {"target": "kind", "task": "ranking"}, "task must be"),
        (
            lambda f: f,
            {"target": "kind", "test_size": 1.5},
            r"test_size must be in \(0",
        ),
        (lambda f: f[["kind"]], {"target": "kind"}, "no column beside 'kind'"),
        (lambda f: f.assign(kind=None), {"target": "kind"}, "has missing values"),
        (
            lambda f: f.assign(kind=["one", *f["kind"][1:]]),
            {"target": "kind"},
            "prepare_table: .*class",
        ),
    ],
)
def test_bad_tables(change, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.prepare_table(change(flowers()), **arguments)


def test_a_network_learns_a_prepared_table():
    frame, _ = data.clean(flowers(400), {"height": (0, 200)})
    table = data.prepare_table(frame, "kind")
    tw.manual_seed(0)
    model = tw.nn.Sequential(
        tw.nn.Linear(4, 16), tw.nn.ReLU(), tw.nn.Linear(16, len(table.classes))
    )
    trainer = tw.Trainer(model, tw.optim.Adam(model.parameters(), lr=0.02))
    trainer.fit(table.train, epochs=20, verbose=False)
    assert trainer.evaluate(table.test)["accuracy"] > 0.7


def test_split_of_a_data_set():
    transform = data.Augmentation()
    dataset = data.ArrayDataset(np.arange(50), np.arange(50) % 5, transform)
    train, test = data.split(dataset, 0.2, seed=3)
    assert np.bincount(test.y).tolist() == [2] * 5
    assert sorted([*train.x, *test.x]) == list(range(50))
    assert train.transform is transform and test.transform is None
    floats = data.ArrayDataset(np.zeros((9, 2)), np.zeros((9, 1)))
    with pytest.raises(ValueError, match=r"needs class ids \(N,\), got float64 of sha"):
        data.split(floats)
    assert len(data.split(floats, 1 / 3, stratify=False)[1]) == 3
    with pytest.raises(ValueError, match="split: .*class"):
        data.split(data.ArrayDataset(np.zeros(3), np.arange(3)))


def test_normalizer():
    rng = np.random.default_rng(0)
    x = rng.normal(5, [1, 20, 0], (5000, 4, 3)).astype(np.float32)
    train = data.ArrayDataset(x[:4500], np.zeros(4500))
    normalizer = data.Normalizer(train)
    np.testing.assert_allclose(normalizer.mean, x[:4500].mean((0, 1)), rtol=1e-4)
    assert normalizer.std[2] == 1
    test = normalizer.apply(data.ArrayDataset(x[4500:], np.zeros(500)))
    assert np.abs(test.x.mean((0, 1))).max() < 0.1 and np.isfinite(test.x).all()
    with pytest.raises(ValueError, match=r"expected inputs \(N, ..., 3\), got shape"):
        normalizer.normalize(x[..., :2])
    x[7, 1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        data.Normalizer(train)
