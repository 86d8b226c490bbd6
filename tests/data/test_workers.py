"""Batches prepared ahead by threads: the same bits at any number of them."""

import sys
import threading
import time

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn, optim
from tilewright.data import ArrayDataset, Augmentation, DataLoader, Normalizer
from tilewright.data import augmentation as aug

STEPS = [
    aug.RandomFlip("both"),
    aug.RandomShift((0.2, 0.3)),
    aug.RandomRotation(30),
    aug.RandomZoom(0.7, 1.4),
    aug.RandomCrop((7, 6), padding=1),
    aug.Cutout((3, 4)),
    aug.MixUp(0.4, classes=5),
]


def images(transform, size=53):
    rng = np.random.default_rng(1)
    return ArrayDataset(
        rng.random((size, 9, 8, 2), np.float32), np.arange(size) % 5, transform
    )


def passes(workers, shuffle=True, transform=None):
    transform = Augmentation(*STEPS) if transform is None else transform
    loader = DataLoader(images(transform), 8, shuffle, seed=3, workers=workers)
    return [(x.tobytes(), y.tobytes()) for _ in range(2) for x, y in loader]


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_same_bits_at_any_number_of_threads(shuffle):
    expected = passes(0, shuffle)
    assert len(set(expected)) == 14
    for workers in (None, 1, 2, 5, 40):
        assert passes(workers, shuffle) == expected
    before = tw.get_num_threads()
    try:
        for threads in (1, 2, 7):
            tw.set_num_threads(threads)
            assert passes(None, shuffle) == expected
    finally:
        tw.set_num_threads(before)


def test_training_is_the_same_bits_at_any_number_of_threads():
    def weights(threads):
        before = tw.get_num_threads()
        tw.set_num_threads(threads)
        try:
            tw.manual_seed(0)
            rng = np.random.default_rng(0)
            train = ArrayDataset(
                rng.random((60, 9, 8, 1), np.float32),
                np.arange(60) % 5,
                Augmentation(*STEPS),
            )
            model = nn.Sequential(
                nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 5)
            )
            trainer = tw.Trainer(model, optim.Adam(model.parameters()), metrics=())
            trainer.fit(train, epochs=2, batch_size=8, verbose=False)
        finally:
            tw.set_num_threads(before)
        return [array.tobytes() for array in model.state_dict().values()]

    expected = weights(1)
    assert weights(2) == expected and weights(4) == expected


def names_of_threads(transform_of, **options):
    seen = []

    def note(x, y, draws):
        seen.append(threading.current_thread().name)
        return x, y

    list(DataLoader(images(transform_of(note)), 8, **options))
    return {name.startswith("tilewright-data") for name in seen}


def test_who_runs_what():
    before = tw.get_num_threads()
    try:
        tw.set_num_threads(2)
        # A function of one's own may draw random numbers: never by default.
        assert names_of_threads(lambda own: own) == {False}
        assert names_of_threads(lambda own: Augmentation(aug.RandomFlip(), own)) == {
            False
        }
        assert names_of_threads(Augmentation, workers=2) == {True}
        assert names_of_threads(Augmentation, workers=0) == {False}
        assert Augmentation(*STEPS).repeatable
    finally:
        tw.set_num_threads(before)


def test_batches_are_made_while_one_is_in_use():
    begun = []

    def slow(x, y, visit):
        begun.append(int(visit.rows[0]) // 8)
        return x, y

    loader = iter(DataLoader(images(slow), 8, workers=2))
    next(loader)
    for _ in range(500):
        if len(begun) >= 3:
            break
        time.sleep(0.01)
    assert sorted(begun) == [0, 1, 2]  # and no further
    loader.close()


def live():
    return [t for t in threading.enumerate() if t.name.startswith("tilewright-data")]


def test_no_thread_outlives_its_pass():
    loader = DataLoader(images(Augmentation(*STEPS)), 8, workers=3)
    for _ in loader:
        assert live()
        break
    del _
    list(loader)
    assert not live()


def test_an_error_comes_at_its_batch_and_ends_the_threads():
    def fails(x, y, visit):
        if visit.rows[0] >= 24:
            raise ValueError(f"sample {visit.rows[0]} is bad")
        return x, y

    loader, seen = DataLoader(images(fails), 8, workers=2), 0
    with pytest.raises(ValueError, match="sample 24 is bad"):
        for _ in loader:
            seen += 1
    assert seen == 3 and not live()
    assert loader.epoch == 0


def test_resumes_where_it_was_and_not_where_it_had_read_ahead():
    expected = passes(0)
    loader = DataLoader(images(Augmentation(*STEPS)), 8, True, seed=3, workers=4)
    for _ in loader:
        if loader.position == 2:
            state = loader.state_dict()
            break
    other = DataLoader(images(Augmentation(*STEPS)), 8, True, seed=9, workers=3)
    other.load_state_dict(state)
    rest = [(x.tobytes(), y.tobytes()) for _ in range(2) for x, y in other]
    assert rest[:12] == expected[2:]


def test_normalizer_and_memory_maps(tmp_path):
    pytest.importorskip("sklearn", reason="fits the normalizer")
    whole = images(None)
    np.save(tmp_path / "x.npy", whole.x)
    np.save(tmp_path / "y.npy", whole.y)
    mapped = ArrayDataset.from_npy(
        tmp_path / "x.npy", tmp_path / "y.npy", Normalizer(whole)
    )
    expected = Normalizer(whole).apply(whole).x
    for workers in (None, 0, 3):
        x = np.concatenate([x for x, _ in DataLoader(mapped, 8, workers=workers)])
        np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize(
    ("workers", "error"), [(-1, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_bad_numbers_of_workers(workers, error):
    with pytest.raises(error, match="DataLoader: workers must be"):
        DataLoader(images(None), workers=workers)


def test_threads_are_not_imported_where_there_are_none():
    import subprocess

    program = (
        "import sys, numpy as np\n"
        "from tilewright.data import ArrayDataset, DataLoader\n"
        "list(DataLoader(ArrayDataset(np.zeros((9, 2)), np.zeros(9)), 4))\n"
        "print('concurrent.futures.thread' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"
