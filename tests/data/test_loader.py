import json

import numpy as np
import pytest

import tilewright as tw
from tilewright.data import ArrayDataset, DataLoader


def dataset(size=10):
    x = np.arange(size * 3, dtype=np.float32).reshape(size, 3)
    return ArrayDataset(x, np.arange(size))


def labels(loader):
    return [y.tolist() for _, y in loader]


@pytest.mark.parametrize(
    ("size", "batch", "drop_last", "sizes"),
    [
        (10, 4, False, [4, 4, 2]),
        (10, 4, True, [4, 4]),
        (8, 4, False, [4, 4]),
        (8, 4, True, [4, 4]),
        (3, 4, False, [3]),
        (1, 1, True, [1]),
    ],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_cover_the_set(size, batch, drop_last, sizes, shuffle):
    loader = DataLoader(dataset(size), batch, shuffle, drop_last, seed=1)
    batches = list(loader)
    assert [len(y) for _, y in batches] == sizes
    assert len(loader) == len(sizes)
    assert loader.samples == sum(sizes)
    seen = np.concatenate([y for _, y in batches])
    assert len(set(seen.tolist())) == sum(sizes)
    for x, y in batches:
        np.testing.assert_array_equal(x, loader.dataset.x[y])


def test_without_shuffling_batches_are_views_in_order():
    data = dataset()
    batches = list(DataLoader(data, 4))
    assert np.concatenate([y for _, y in batches]).tolist() == list(range(10))
    assert all(np.shares_memory(x, data.x) for x, _ in batches)


def test_shuffled_batches_are_copies():
    data = dataset()
    for x, _ in DataLoader(data, 4, shuffle=True, seed=0):
        assert not np.shares_memory(x, data.x)
        assert x.flags.c_contiguous and x.dtype == np.float32


def test_epochs_differ_and_depend_on_seed_and_epoch_alone():
    first = DataLoader(dataset(100), 7, shuffle=True, seed=5)
    second = DataLoader(dataset(100), 32, shuffle=True, seed=5)
    epochs = [np.concatenate(labels(first)) for _ in range(3)]
    tw.random.generator().random(17)
    for epoch, order in enumerate(epochs):
        np.testing.assert_array_equal(order, second.order(epoch))
        np.testing.assert_array_equal(order, np.concatenate(labels(second)))
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[1], epochs[2])
    other = DataLoader(dataset(100), 7, shuffle=True, seed=6)
    assert not np.array_equal(epochs[0], other.order(0))


def test_order_of_a_seed_is_fixed_for_good():
    # A saved run must mean the same data order in every later version.
    loader = DataLoader(dataset(10), shuffle=True, seed=0)
    assert loader.order(0).tolist() == [0, 2, 9, 1, 8, 5, 4, 3, 6, 7]
    assert loader.order(1).tolist() == [8, 7, 4, 2, 6, 5, 9, 0, 1, 3]


def test_global_seed_governs_loaders_without_one():
    tw.manual_seed(3)
    first = DataLoader(dataset(100), shuffle=True)
    tw.manual_seed(3)
    second = DataLoader(dataset(100), shuffle=True)
    third = DataLoader(dataset(100), shuffle=True)
    assert first.seed == second.seed != third.seed


def test_loader_without_shuffling_draws_nothing():
    tw.manual_seed(3)
    expected = tw.random.generator().random()
    tw.manual_seed(3)
    DataLoader(dataset())
    assert tw.random.generator().random() == expected


@pytest.mark.parametrize("stop", [0, 1, 2, 3])
def test_resumes_inside_an_epoch(stop):
    straight = DataLoader(dataset(), 4, shuffle=True, seed=9)
    expected = [y for _ in range(3) for y in labels(straight)]

    loader = DataLoader(dataset(), 4, shuffle=True, seed=9)
    seen = []
    for _, y in loader:
        if loader.position > stop:
            break
        seen.append(y.tolist())
        state = json.loads(json.dumps(loader.state_dict()))
    else:
        state = loader.state_dict()
    if stop == 0:
        state = DataLoader(dataset(), 4, shuffle=True, seed=9).state_dict()
    resumed = DataLoader(dataset(), 4, shuffle=True, seed=1)
    resumed.load_state_dict(state)
    continued = seen + labels(resumed) + labels(resumed)
    assert continued == expected[: len(continued)]


def test_pass_that_was_left_starts_anew():
    loader = DataLoader(dataset(), 4, shuffle=True, seed=9)
    for _ in loader:
        break
    assert loader.epoch == 0 and loader.position == 1
    assert np.concatenate(labels(loader)).tolist() == loader.order(0).tolist()
    assert loader.epoch == 1 and loader.position == 0


def test_refuses_the_state_of_other_data():
    state = DataLoader(dataset(10), 4).state_dict()
    with pytest.raises(ValueError, match="of 10 samples but the data set has 12"):
        DataLoader(dataset(12), 4).load_state_dict(state)
    state["position"] = 1
    with pytest.raises(ValueError, match="inside an epoch of batch_size 4.* with 5"):
        DataLoader(dataset(10), 5).load_state_dict(state)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be >= 1, got 0"),
        ({"batch_size": -3}, ValueError, "batch_size must be >= 1, got -3"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an int, got float"),
        ({"batch_size": True}, TypeError, "batch_size must be an int, got bool"),
        ({"batch_size": 11, "drop_last": True}, ValueError, "10 samples, batch_size"),
        ({"shuffle": True, "seed": -1}, ValueError, r"seed must be in \[0, 2\*\*64\)"),
        ({"shuffle": True, "seed": 2**64}, ValueError, "seed must be in"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        DataLoader(dataset(), **arguments)


def test_empty_set_and_bare_arrays():
    with pytest.raises(ValueError, match=r"data set is empty \(x: \(0, 3\)\)"):
        DataLoader(dataset(0))
    with pytest.raises(TypeError, match=r"got ndarray; wrap arrays as data.ArrayData"):
        DataLoader(np.zeros(3))


ARRAYS = [
    ((28, 28, 1), np.float32),
    ((), np.float64),
    ((200, 200, 3), np.uint8),
    ((0,), np.float32),
    ((2,), object),
]


@pytest.mark.parametrize("backend", ["auto", "numpy"])
@pytest.mark.parametrize(("shape", "dtype"), ARRAYS)
@pytest.mark.parametrize("batch", [1, 7, 30, 31, 40])
def test_batches_are_the_rows_of_the_order(backend, shape, dtype, batch):
    x = np.random.default_rng(0).integers(0, 200, (31, *shape)).astype(dtype)
    loader = DataLoader(ArrayDataset(x, np.arange(31)), batch, shuffle=True, seed=3)
    order = loader.order(0)
    with tw.backend(backend):
        batches = list(loader)
    assert np.concatenate([y for _, y in batches]).tolist() == order.tolist()
    for got, rows in batches:
        assert got.dtype == x.dtype and got.flags.c_contiguous
        np.testing.assert_array_equal(got, x[rows])


def test_strided_data_is_gathered():
    x = np.arange(60, dtype=np.float32).reshape(3, 20).T
    loader = DataLoader(ArrayDataset(x, np.arange(20)), 6, shuffle=True, seed=0)
    for got, rows in loader:
        np.testing.assert_array_equal(got, x[rows])


def test_batches_are_gathered_right_while_kernels_run():
    # Threads of the pool copy rows between the regions of these products.
    images = np.random.default_rng(0).random((500, 3000), np.float32)
    loader = DataLoader(ArrayDataset(images, np.arange(500)), 64, shuffle=True, seed=1)
    weight = np.ones((3000, 400), np.float32)
    for _ in range(20):
        for x, rows in loader:
            tw.kernels.gemm(x, weight)
            tw.kernels.gemm(x, weight)
            np.testing.assert_array_equal(x, images[rows])


def test_passes_may_be_left_and_run_side_by_side():
    images = np.random.default_rng(0).random((300, 500), np.float32)
    made = ArrayDataset(images, np.arange(300))
    first = DataLoader(made, 32, shuffle=True, seed=1)
    second = DataLoader(made, 32, shuffle=True, seed=2)
    for _ in range(50):
        for (x, rows), (other, others) in zip(first, second, strict=True):
            np.testing.assert_array_equal(x, images[rows])
            np.testing.assert_array_equal(other, images[others])
            if rows[0] % 3 == 0:
                break  # with a batch under way in both
    assert first.epoch == 0


def test_order_where_words_are_equal(monkeypatch):
    class Words:
        def __init__(self, **counters):
            pass

        def random_raw(self, size):
            return np.arange(size, dtype=np.uint64) % np.uint64(3)

    loader = DataLoader(dataset(100), shuffle=True, seed=0)
    monkeypatch.setattr(np.random, "Philox", Words)
    words = np.arange(100) % 3
    assert loader.order(0).tolist() == np.argsort(words, kind="stable").tolist()
