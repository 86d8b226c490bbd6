import numpy as np
import pytest

from tilewright.train import accuracy
from tilewright.train.metrics import RunningMeans, resolve_metrics


def test_accuracy_is_one_value_a_sample():
    outputs = np.array([[1, 2, 0], [5, 0, 0], [0, 0, 7]], np.float32)
    assert accuracy(outputs, np.array([1, 1, 2])).tolist() == [True, False, True]
    assert accuracy(np.zeros((0, 3)), np.zeros(0, int)).shape == (0,)


@pytest.mark.parametrize("shapes", [((4,), (4,)), ((4, 3), (5,)), ((4, 3), (4, 1))])
def test_accuracy_refuses_shapes_that_would_broadcast(shapes):
    with pytest.raises(ValueError, match=r"accuracy: expected outputs \(N, C\)"):
        accuracy(np.zeros(shapes[0]), np.zeros(shapes[1]))


def test_means_weigh_batches_by_their_size():
    def spread(outputs, targets):
        return float(np.ptp(outputs))

    means = RunningMeans(resolve_metrics(["accuracy", spread]))
    assert np.isnan(means.result()["loss"])
    means.update(1.0, np.array([[0.0, 1], [0, 3], [0, 1]]), np.array([1, 1, 0]))
    means.update(5.0, np.array([[0.0, 1]]), np.array([1]))
    result = means.result()
    assert list(result) == ["loss", "accuracy", "spread"]
    assert result == {"loss": 2.0, "accuracy": 0.75, "spread": 2.5}
    assert means.samples == 4


def test_sums_do_not_lose_small_values():
    # In float32 the sum would stop growing at 2**24.
    means = RunningMeans({})
    targets = np.zeros(2**12)
    for _ in range(2**13):
        means.update(float(np.float32(0.1)), np.zeros(0), targets)
    assert means.result()["loss"] == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_state_goes_on_exactly():
    metrics = resolve_metrics(["accuracy"])
    rng = np.random.default_rng(0)
    batches = [(rng.random(), rng.random((3, 4)), np.array([0, 1, 2]))] * 6
    straight = RunningMeans(metrics)
    first, second = RunningMeans(metrics), RunningMeans(metrics)
    for batch in batches:
        straight.update(*batch)
    for batch in batches[:3]:
        first.update(*batch)
    second.load_state_dict(first.state_dict())
    for batch in batches[3:]:
        second.update(*batch)
    assert second.result() == straight.result()
    with pytest.raises(ValueError, match=r"state is of \['accuracy', 'loss'\]"):
        RunningMeans({}).load_state_dict(first.state_dict())


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        (["f2"], ValueError, "unknown metric 'f2'; expected one of accuracy"),
        (["accuracy", "accuracy"], ValueError, "two metrics are named 'accuracy'"),
        ("accuracy", TypeError, "metrics must be a list, got 'accuracy'"),
        ([3], TypeError, "a metric must be a name, a Metric or a f.*got int"),
    ],
)
def test_bad_metrics(metrics, error, message):
    with pytest.raises(error, match=message):
        resolve_metrics(metrics)
