"""Metrics beside scikit-learn's, gathered over uneven batches."""

from __future__ import annotations

import numpy as np
import pytest
import toy

import tilewright as tw
from tilewright.train import metrics

sklearn = pytest.importorskip("sklearn.metrics", reason="compares with scikit-learn")


def several(classes=5, size=203, seed=0, missing=None):
    rng = np.random.default_rng(seed)
    # Rounded, so that there are ties.
    outputs = rng.standard_normal((size, classes)).round(1).astype(np.float32)
    targets = rng.integers(0, classes, size)
    outputs[np.arange(size), targets] += 0.7
    if missing is not None:
        targets[targets == missing] = 0
        outputs[:, missing] = -9
    return outputs, targets


def binary(size=157):
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2, size)
    return (rng.random(size) * 0.8 + 0.2 * targets).round(2), targets


def gathered(metric, outputs, targets):
    metric.reset()
    for start in range(0, len(targets), 32):
        metric.update(outputs[start : start + 32], targets[start : start + 32])
    return metric.result()


SCORES = [
    (metrics.Precision, "precision_score"),
    (metrics.Recall, "recall_score"),
    (metrics.F1, "f1_score"),
]


@pytest.mark.parametrize("missing", [None, 3])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize(("ours", "theirs"), SCORES)
def test_scores_of_several_classes(ours, theirs, average, missing):
    outputs, targets = several(missing=missing)
    expected = getattr(sklearn, theirs)(
        targets, outputs.argmax(1), average=average, zero_division=0
    )
    assert gathered(ours(average), outputs, targets) == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.5, 0.3, 2.0])
@pytest.mark.parametrize(("ours", "theirs"), SCORES)
def test_scores_of_one_class(ours, theirs, threshold):
    outputs, targets = binary()
    expected = getattr(sklearn, theirs)(targets, outputs > threshold, zero_division=0)
    metric = ours("binary", threshold=threshold)
    assert gathered(metric, outputs, targets) == pytest.approx(expected)
    assert gathered(metric, outputs[:, None], targets[:, None]) == pytest.approx(
        expected
    )


def test_confusion_matrix():
    outputs, targets = several()
    counts = metrics.ConfusionMatrix()
    for part in (slice(0, 100), slice(100, None)):
        counts.update(outputs[part], targets[part])
    expected = sklearn.confusion_matrix(targets, outputs.argmax(1))
    np.testing.assert_array_equal(counts.matrix, expected)
    scores, truth = binary()
    np.testing.assert_array_equal(
        metrics.confusion_matrix(scores, truth, threshold=0.4),
        sklearn.confusion_matrix(truth, scores > 0.4),
    )


def test_auc():
    scores, truth = binary()
    expected = sklearn.roc_auc_score(truth, scores)
    assert gathered(metrics.AUC(), scores, truth) == pytest.approx(expected)
    both = np.stack([-scores, scores], axis=1)
    assert gathered(metrics.AUC(), both, truth) == pytest.approx(expected)
    outputs, targets = several()
    shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    expected = sklearn.roc_auc_score(targets, shares, multi_class="ovr")
    assert gathered(metrics.AUC(), outputs, targets) == pytest.approx(expected)
    given = metrics.AUC(from_logits=False)
    assert gathered(given, shares, targets) == pytest.approx(expected)
    assert np.isnan(gathered(metrics.AUC(), scores, np.ones_like(truth)))


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_top_k(k):
    rng = np.random.default_rng(2)
    outputs, targets = rng.standard_normal((90, 5)), rng.integers(0, 5, 90)
    expected = 1.0 if k == 5 else sklearn.top_k_accuracy_score(targets, outputs, k=k)
    assert metrics.TopKAccuracy(k)(outputs, targets).mean() == pytest.approx(expected)


def test_top_k_where_outputs_are_equal():
    # The target counts where fewer than k others are larger, wherever it stands among
    # its equals; scikit-learn lets the order of the columns decide.
    outputs = np.array([[0.5, 0.5, 0.5, 0.1], [0.2, 0.9, 0.2, 0.2], [1, 1, 0, 0]])
    for k, expected in ((1, [1, 0, 1]), (2, [1, 1, 1]), (3, [1, 1, 1])):
        for targets in ([0, 0, 0], [1, 2, 1], [2, 3, 1]):
            given = metrics.top_k_accuracy(outputs, np.array(targets), k)
            assert given.tolist() == [bool(each) for each in expected]
    assert not metrics.top_k_accuracy(np.full((1, 3), np.nan), np.array([1]), 3)[0]
    # Without equals both agree, whatever k is, and more than all is all.
    rng = np.random.default_rng(4)
    outputs = rng.permuted(np.tile(np.arange(6.0), (50, 1)), axis=1)
    targets = rng.integers(0, 6, 50)
    for k in range(1, 6):
        expected = sklearn.top_k_accuracy_score(targets, outputs, k=k)
        assert metrics.top_k_accuracy(outputs, targets, k).mean() == expected
    assert metrics.top_k_accuracy(outputs, targets, 9).all()


@pytest.mark.parametrize("missing", [None, 2, 4])
def test_auc_where_many_outputs_are_equal(missing):
    rng = np.random.default_rng(5)
    scores, truth = rng.integers(0, 3, 80) / 2, rng.integers(0, 2, 80)
    expected = sklearn.roc_auc_score(truth, scores)
    assert gathered(metrics.AUC(), scores, truth) == pytest.approx(expected)
    # All equal: nothing is known of any.
    assert gathered(metrics.AUC(), np.full(80, 0.3), truth) == 0.5
    shares, targets = (
        rng.multinomial(8, np.full(5, 0.2), 80) / 8,
        rng.integers(0, 5, 80),
    )
    if missing is not None:
        targets[targets == missing] = 0
    area = gathered(metrics.AUC(from_logits=False), shares, targets)
    if missing is None:
        expected = sklearn.roc_auc_score(targets, shares, multi_class="ovr")
        assert area == pytest.approx(expected)
    else:
        assert np.isnan(area)  # scikit-learn raises an error


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize(("ours", "theirs"), SCORES)
@pytest.mark.parametrize("case", ["one", "swapped", "never predicted", "all right"])
def test_scores_where_classes_are_absent(case, ours, theirs, average):
    predicted, targets = {
        "one": ([2, 2, 2], [2, 2, 2]),
        "swapped": ([1, 1, 0], [0, 0, 1]),
        "never predicted": ([0, 0, 0, 3], [0, 1, 2, 0]),
        "all right": ([0, 1, 2, 3], [0, 1, 2, 3]),
    }[case]
    outputs = np.eye(5)[predicted]
    expected = getattr(sklearn, theirs)(
        targets, predicted, average=average, zero_division=0
    )
    given = gathered(ours(average), outputs, np.array(targets))
    assert given == pytest.approx(expected)


def test_batches_of_nothing_and_of_one():
    outputs, targets = several(size=40)
    for metric in (metrics.F1(), metrics.AUC(), metrics.Recall("micro")):
        whole = gathered(metric, outputs, targets)
        metric.reset()
        assert np.isnan(metric.result())
        metric.update(outputs[:0], targets[:0])
        for row in range(40):
            metric.update(outputs[row : row + 1], targets[row : row + 1])
        metric.update(outputs[:0], targets[:0])
        assert metric.result() == pytest.approx(whole)


def test_accuracies():
    scores, truth = binary()
    expected = sklearn.accuracy_score(truth, scores > 0.5)
    assert metrics.binary_accuracy(scores, truth).mean() == pytest.approx(expected)
    outputs, targets = several()
    assert metrics.accuracy(outputs, targets).mean() == pytest.approx(
        sklearn.accuracy_score(targets, outputs.argmax(1))
    )


def test_the_trainer_reports_them():
    images = toy.images(64)
    base = toy.trainer()
    trainer = tw.Trainer(
        base.model,
        base.optimizer,
        metrics=["accuracy", "f1", "auc", metrics.Recall("micro"), "top_5_accuracy"],
    )
    history = trainer.fit(images, 3, 16, validation_data=images, verbose=False)
    assert list(history.history)[:6] == [
        "loss", "accuracy", "f1", "auc", "recall", "top_5_accuracy"
    ]  # fmt: skip
    outputs = trainer.predict(images.x)
    expected = sklearn.f1_score(images.y, outputs.argmax(1), average="macro")
    assert history.history["val_f1"][-1] == pytest.approx(expected)
    assert trainer.evaluate(images)["recall"] == history.history["val_accuracy"][-1]


def test_mistakes_are_told():
    outputs, targets = several()
    with pytest.raises(ValueError, match=r"targets must be in \[0, 5\), got values in"):
        metrics.confusion_matrix(outputs, targets + 1)
    with pytest.raises(ValueError, match="targets must be .N,. for outputs"):
        metrics.confusion_matrix(outputs, targets[:-1])
    with pytest.raises(ValueError, match="average must be one of 'macro'"):
        metrics.F1("mean")
    with pytest.raises(ValueError, match="average='binary' needs 2 classes, got 5"):
        gathered(metrics.F1("binary"), outputs, targets)
    with pytest.raises(ValueError, match="k must be at least 1"):
        metrics.TopKAccuracy(0)
    with pytest.raises(ValueError, match="binary_accuracy: expected outputs"):
        metrics.binary_accuracy(outputs, targets)
    with pytest.raises(ValueError, match="AUC: expected outputs"):
        metrics.AUC().update(outputs, targets[:-1])
