"""Pictures of what a network learned: what they show, and what they leave alone."""

import numpy as np
import pytest
from toy import images, network, trainer, weights

import tilewright as tw
from tilewright import nn

pytest.importorskip("matplotlib", reason="pictures need Matplotlib")

from tilewright.train import pictures  # noqa: E402


@pytest.fixture(scope="module")
def trained():
    """A network that knows which quarter of an image is bright."""
    of = trainer()
    of.fit(images(384), epochs=12, batch_size=16, verbose=False)
    return of


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def quarter(heat, label):
    top, left = 4 * (label // 2), 4 * (label % 2)
    inside = heat[top : top + 4, left : left + 4]
    return inside.sum() / max(np.abs(heat).sum(), 1e-9)


def test_occlusion_finds_the_part_that_decides(trained):
    test = images(24, seed=5)
    heat = pictures.occlusion(trained.model, test.x, test.y, size=2, stride=1)
    assert heat.shape == (24, 8, 8) and heat.dtype == np.float32
    shares = [quarter(heat[i], label) for i, label in enumerate(test.y)]
    assert np.mean(shares) > 0.6


def test_occlusion_is_the_loss_of_probability(trained):
    test = images(2, seed=6)
    heat = pictures.occlusion(trained.model, test.x, size=4, stride=4, fill=0.5)
    logits = trained.predict(test.x)
    label = logits.argmax(1)
    hidden = test.x.copy()
    hidden[:, 4:, :4] = 0.5
    before = tw.kernels.softmax(logits)[np.arange(2), label]
    after = tw.kernels.softmax(trained.predict(hidden))[np.arange(2), label]
    np.testing.assert_allclose(heat[:, 5, 2], before - after, atol=1e-6)
    np.testing.assert_array_equal(heat[:, 4, 0], heat[:, 7, 3])


class Branching(nn.Module):
    """One activation for all, a convolution used twice, one beside the logits."""

    def __init__(self):
        self.stem, self.body = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3, padding=1)
        self.relu, self.aside = nn.ReLU(), nn.Conv2d(3, 2, 1)
        self.hidden, self.out = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x):
        x = self.relu(self.stem(x))
        for _ in range(2):
            x = x + self.relu(self.body(x))
        self.seen = self.aside(x)
        rows = nn.functional.global_avg_pool2d(x)
        return self.out(self.relu(self.hidden(rows)))


def test_grad_cam_of_networks_that_branch():
    tw.manual_seed(2)
    model, x = Branching(), np.random.default_rng(0).random((3, 8, 7, 1), np.float32)
    heat = pictures.grad_cam(model, x)
    assert heat.shape == (3, 8, 7)
    # By hand: from the last run of the body, for what follows is linear but for relu.
    with tw.no_grad():
        first = model.relu(model.stem(x))
        second = first + model.relu(model.body(first))
        maps = model.relu(model.body(second))
        rows = model.hidden(nn.functional.global_avg_pool2d(second + maps))
        scores = model.out(model.relu(rows)).data.argmax(1)
    slope = ((rows.data > 0) * model.out.weight.data.T[scores]) @ (
        model.hidden.weight.data.T
    )
    expected = np.maximum((maps.data * slope[:, None, None]).sum(-1), 0)
    where = expected.reshape(3, -1).argmax(1)
    assert heat.reshape(3, -1).max(1).tolist() == [
        float(bool(expected[k].max() > 0)) for k in range(3)
    ]
    assert (expected.reshape(3, -1).max(1) > 0).any()
    for k in np.flatnonzero(expected.reshape(3, -1).max(1)):
        row, column = divmod(int(where[k]), expected.shape[2])
        assert heat[k, round(row * 8 / 6), round(column * 7 / 5)] > 0.5
    assert pictures.grad_cam(model, x, layer=model.body).shape == (3, 8, 7)
    with pytest.raises(ValueError, match="returns images, on which the logits depend"):
        pictures.grad_cam(model, x, layer=model.aside)
    assert pictures.explanations(model, x, [0, 1, 2]).axes
    titles = [a.get_title("left") for a in pictures.feature_maps(model, x[0]).axes]
    assert [t for t in titles if t] == [
        "layer stem", "layer body", "layer body", "layer aside"
    ]  # fmt: skip


def test_grad_cam_by_hand():
    # One pixel wide filters: channel 0 is the image, channel 1 its negative.
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False),
        nn.ReLU(),
        nn.GlobalAvgPool2d(),
        nn.Linear(2, 2, bias=False),
    )
    model[0].weight.data[...] = [[[[1, -1]]]]
    model[3].weight.data[...] = [[3, 0], [0, 2]]
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 0, 1], x[0, 2, 2], x[0, 3, 3] = 2, 1, -5
    heat = pictures.grad_cam(model, x, [0])
    np.testing.assert_allclose(heat[0], np.maximum(x[0, ..., 0], 0) / 2, atol=1e-6)
    other = pictures.grad_cam(model, x, [1])
    np.testing.assert_allclose(other[0], np.maximum(-x[0, ..., 0], 0) / 5, atol=1e-6)
    # The class that is predicted, where none is asked for.
    np.testing.assert_array_equal(pictures.grad_cam(model, x), other)
    early = pictures.grad_cam(model, x, [0], layer=model[0])
    assert early.shape == (1, 4, 4)


def test_pictures_change_neither_model_nor_gradients(trained):
    model, test = trained.model, images(12)
    before = weights(trained)
    model.train()
    model.zero_grad()
    loss = nn.functional.cross_entropy(model(test.x), test.y)
    loss.backward()
    gradients = [parameter.grad.data.copy() for parameter in model.parameters()]
    pictures.explanations(model, test.x[:3], test.y[:3])
    pictures.feature_maps(model, test.x[0])
    pictures.histograms(model, test.x, test.y)
    pictures.filters(model)
    assert weights(trained) == before
    assert all(module.training for module in model.modules())
    assert all(not module._hooks for module in model.modules())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad.data, gradient)


def test_confusion_matrix_counts():
    figure = pictures.confusion_matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 0, 0], "abc")
    texts = {
        (text.get_position()[1], text.get_position()[0]): text.get_text()
        for text in figure.axes[0].texts
    }
    assert texts == {
        (0, 0): "1",
        (0, 1): "1",
        (1, 1): "1",
        (2, 0): "2",
        (2, 2): "1",
    }
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["a", "b", "c"]


def test_confusion_matrix_of_many_classes_and_of_no_errors():
    rng = np.random.default_rng(0)
    many = pictures.confusion_matrix(rng.integers(0, 100, 900), np.arange(900) % 100)
    assert len(many.axes[0].texts) == 0 and max(many.get_size_inches()) < 16
    perfect = pictures.confusion_matrix([0, 1], [0, 1])
    perfect.draw_without_rendering()


def test_misclassified_shows_the_surest_errors_first(trained):
    test = images(5)
    wrong = (test.y + 1) % 4
    probabilities = np.full((5, 4), 0.1)
    probabilities[np.arange(5), wrong] = [0.3, 0.9, 0.5, 0.7, 0.4]
    probabilities[4] = np.eye(4)[test.y[4]]
    figure = pictures.misclassified(test.x, test.y, probabilities, "abcd", count=3)
    expected = [
        f"{'abcd'[test.y[i]]} taken for {'abcd'[wrong[i]]} ({p:.2f})"
        for i, p in ((1, 0.9), (3, 0.7), (2, 0.5))
    ]
    assert titles(figure) == expected
    perfect = pictures.misclassified(test.x, test.y, np.eye(4)[test.y])
    assert "every image is classified rightly" in perfect.texts[0].get_text()


def test_feature_maps_are_the_strongest_channels(trained):
    x = images(1).x
    figure = pictures.feature_maps(trained.model, x[0], channels=2)
    drawn = np.asarray(figure.axes[1].get_images()[0].get_array())
    with tw.no_grad():
        y = np.maximum(trained.model[0](x).data[0], 0)
    strongest = np.abs(y).mean((0, 1)).argmax()
    np.testing.assert_allclose(drawn, y[..., strongest], atol=1e-6)


def test_histograms_count_every_weight(trained):
    test = images(16)
    figure = pictures.histograms(trained.model, test.x, test.y)
    assert len(figure.axes) == 4
    names = [axis.get_ylabel() for axis in figure.axes]
    assert names == ["0.weight", "", "5.weight", ""]
    heights = [sum(bar.get_height() for bar in axis.patches) for axis in figure.axes]
    assert heights == [36, 36, 144, 144]
    broken = network()
    broken[0].weight.data[0, 0, 0, 0] = np.nan
    drawn = pictures.histograms(broken, test.x, test.y)
    assert drawn.axes[0].texts[0].get_text() == "1 not finite"
    assert len(drawn.axes[2].texts) == 0


def test_colour_filters_and_images():
    model = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(180, 2)
    )
    figure = pictures.filters(model)
    assert len(figure.axes) == 5
    shown = [axis.get_images()[0].get_array() for axis in figure.axes]
    assert all(array.shape == (3, 3, 3) and array.min() >= 0 for array in shown)
    x = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    pictures.explanations(model, x, [0, 1]).draw_without_rendering()


def test_normalised_colours_are_brought_into_range():
    x = np.random.default_rng(0).normal(0, 1, (2, 8, 8, 3)).astype(np.float32)
    figure = pictures.misclassified(x, [0, 1], [[0, 1], [1, 0]])
    shown = np.asarray(figure.axes[0].get_images()[0].get_array())
    assert shown.min() == 0 and shown.max() == 1
    low, high = x[0].min(), x[0].max()
    np.testing.assert_allclose(shown, (x[0] - low) / (high - low), atol=1e-6)


ROWS = nn.Sequential(nn.Linear(3, 2))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda x, y: pictures.confusion_matrix([0.5], [0]),
            r"must be class ids \(N,\)",
        ),
        (lambda x, y: pictures.confusion_matrix([0, 1], [0]), "must have 2 elements"),
        (lambda x, y: pictures.confusion_matrix([], []), "class ids|at least one"),
        (lambda x, y: pictures.confusion_matrix([2], [0], "ab"), "must name 3 classes"),
        (lambda x, y: pictures.misclassified(x, y, [[1.0]]), r"shape \(4, K\), got"),
        (
            lambda x, y: pictures.misclassified(x, y, np.eye(4), count=0),
            "count must be",
        ),
        (lambda x, y: pictures.filters(ROWS), "the model has no Conv2d"),
        (lambda x, y: pictures.feature_maps(network(), x), r"\(H, W, C\), got \(4, 8"),
        (lambda x, y: pictures.grad_cam(ROWS, x[:, 0, 0]), r"images \(N, H, W, C\)"),
        (lambda x, y: pictures.grad_cam(network(), x, [9] * 4), r"in \[0, 4\), got 9"),
        (
            lambda x, y: pictures.grad_cam(network(), x, layer=nn.ReLU()),
            "must be one of",
        ),
        (
            lambda x, y: pictures.occlusion(network(), x, size=9),
            r"must be in \[1, 8",
        ),
        (lambda x, y: pictures.histograms(nn.ReLU(), x, y), "the model has no weights"),
        (lambda x, y: pictures.histograms(ROWS, x, y, "no"), "unknown loss 'no'"),
    ],
)
def test_bad_arguments(draw, message):
    test = images(4)
    with pytest.raises(ValueError, match=message):
        draw(test.x, test.y)
