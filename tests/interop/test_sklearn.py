"""scikit-learn's own checks of estimators, and its pipelines and searches."""

import pickle

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn

sklearn = pytest.importorskip("sklearn", reason="needs the extra 'sklearn'")

from sklearn.datasets import load_diabetes, load_digits, make_moons  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

from tilewright.interop.sklearn import NeuralClassifier, NeuralRegressor  # noqa: E402

CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{number}")
    for original in (NeuralClassifier(), NeuralRegressor())
    for number, (estimator, check) in enumerate(estimator_checks_generator(original))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_check_estimator(estimator, check):
    check(estimator)


def test_pipeline_of_digits():
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(StandardScaler(), NeuralClassifier(epochs=20, random_state=0))
    model.fit(X[:1200], y[:1200])
    assert model.score(X[1200:], y[1200:]) > 0.9
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict_proba(X[1200:]), model.predict_proba(X[1200:])
    )


@pytest.mark.parametrize("jobs", [None, 2])
def test_grid_search(jobs):
    X, y = make_moons(200, noise=0.2, random_state=0)
    search = GridSearchCV(
        NeuralClassifier(epochs=30, random_state=0),
        {"hidden": [(), (32,)], "lr": [1e-5, 0.02]},
        cv=3,
        n_jobs=jobs,
    )
    search.fit(X, y)
    assert search.best_params_ == {"hidden": (32,), "lr": 0.02}
    assert search.best_score_ > 0.9


def test_regression():
    X, y = load_diabetes(return_X_y=True)
    target = (y - y.mean()) / y.std()
    model = make_pipeline(StandardScaler(), NeuralRegressor(epochs=15, random_state=0))
    assert cross_val_score(model, X, target, cv=3).mean() > 0.35
    two = NeuralRegressor(epochs=2, random_state=0).fit(X, np.stack([y, -y], 1))
    assert two.predict(X[:5]).shape == (5, 2)


def test_network_of_ones_own_over_images():
    X, y = load_digits(return_X_y=True)

    def build(features, classes):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 6 * 6, classes),
        )

    model = NeuralClassifier(build, input_shape=(8, 8, 1), epochs=6, random_state=0)
    model.fit(X[:1200] / 16, y[:1200])
    assert model.score(X[1200:] / 16, y[1200:]) > 0.88
    assert isinstance(model.network_[0], nn.Conv2d)


def test_random_numbers_are_its_own():
    X, y = make_moons(60, random_state=0)
    tw.manual_seed(5)
    expected = tw.random.generator().random()
    tw.manual_seed(5)
    first = NeuralClassifier(epochs=2, random_state=1).fit(X, y)
    assert tw.random.generator().random() == expected
    second = NeuralClassifier(epochs=2, random_state=1).fit(X, y)
    other = NeuralClassifier(epochs=2, random_state=2).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_a_row_gets_the_same_bits_in_any_company():
    X, y = make_moons(400, random_state=0)
    model = NeuralClassifier(epochs=1, random_state=0).fit(X, y)
    whole = model.predict_proba(X)
    for rows in (slice(0, 1), slice(7, 90), slice(250, 400)):
        np.testing.assert_array_equal(model.predict_proba(X[rows]), whole[rows])


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be an int >= 1, got 0"),
        ({"batch_size": 2.5}, ValueError, "batch_size must be an int >= 1, got 2.5"),
        ({"lr": -1}, ValueError, "lr must be a number >= 0, got -1"),
        ({"activation": "step"}, ValueError, "activation must be one of relu, tanh"),
        ({"input_shape": (3, 3)}, ValueError, r"input_shape \(3, 3\) has 9 elements"),
        ({"network": lambda f, c: 3}, TypeError, "network must return a Module, got i"),
    ],
)
def test_bad_parameters(parameters, error, message):
    X, y = make_moons(20, random_state=0)
    with pytest.raises(error, match=message):
        NeuralClassifier(**parameters).fit(X, y)
