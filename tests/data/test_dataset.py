import numpy as np
import pytest

from tilewright.data import ArrayDataset


def test_keeps_the_arrays_and_gathers_rows():
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    y = np.arange(6)
    dataset = ArrayDataset(x, y)
    assert dataset.x is x and dataset.y is y
    assert len(dataset) == 6
    rows, labels = dataset[np.array([4, 1])]
    np.testing.assert_array_equal(rows, x[[4, 1]])
    np.testing.assert_array_equal(labels, [4, 1])
    part, _ = dataset[2:5]
    assert np.shares_memory(part, x)


def test_subset_is_a_copy_in_the_order_asked_for():
    dataset = ArrayDataset(np.arange(6.0), np.arange(6))
    chosen = dataset.subset([5, 0, 5])
    np.testing.assert_array_equal(chosen.y, [5, 0, 5])
    assert not np.shares_memory(chosen.x, dataset.x)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2)), np.zeros(4), r"x has 3 samples but y has 4 \(x: \(3, 2\)"),
        (np.float32(1), np.zeros(1), "x must have a first axis over the samples"),
        (np.zeros(1), 1, "y must have a first axis over the samples"),
    ],
)
def test_refuses_what_does_not_fit(x, y, message):
    with pytest.raises(ValueError, match=message):
        ArrayDataset(x, y)
