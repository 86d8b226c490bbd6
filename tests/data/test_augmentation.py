"""Random changes of images: repeatable, independent of batches, and right."""

import numpy as np
import pytest

from tilewright.data import ArrayDataset, Augmentation, DataLoader, Normalizer
from tilewright.data import augmentation as aug
from tilewright.data.augmentation.sampling import warp
from tilewright.data.dataset import Visit

STEPS = {
    "flip": aug.RandomFlip("both"),
    "shift": aug.RandomShift((0.2, 0.3)),
    "rotation": aug.RandomRotation(30),
    "zoom": aug.RandomZoom(0.7, 1.4),
    "crop": aug.RandomCrop((7, 6), padding=1),
    "cutout": aug.Cutout((3, 4)),
    "mixup": aug.MixUp(0.4, classes=5),
}


def images(size=37, transform=None, C=2):
    rng = np.random.default_rng(1)
    x = rng.random((size, 9, 8, C), np.float32)
    return ArrayDataset(x, np.arange(size) % 5, transform)


def visit(dataset, rows, seed=3, epoch=0):
    return dataset.gather(np.asarray(rows, np.int64), seed, epoch)


@pytest.mark.parametrize("name", [*STEPS, "all"])
def test_a_sample_depends_on_seed_epoch_and_row_alone(name):
    steps = STEPS.values() if name == "all" else [STEPS[name]]
    dataset = images(transform=Augmentation(*steps))
    whole_x, whole_y = dataset.gather(slice(None), 3, 2)
    order = np.random.default_rng(0).permutation(len(dataset))
    for size in (1, 4, 16):
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            x, y = visit(dataset, rows, 3, 2)
            np.testing.assert_array_equal(x, whole_x[rows])
            np.testing.assert_array_equal(y, whole_y[rows])
    for other in (dataset.gather(slice(None), 4, 2), dataset.gather(slice(None), 3, 1)):
        assert not np.array_equal(other[0], whole_x)


@pytest.mark.parametrize("name", STEPS)
def test_the_data_set_itself_is_not_changed(name):
    dataset = images(transform=Augmentation(STEPS[name]))
    before = dataset.x.copy(), dataset.y.copy()
    x, _ = dataset.gather(slice(None), 0, 0)
    assert x.dtype == np.float32
    assert not np.array_equal(x, before[0])
    np.testing.assert_array_equal(dataset.x, before[0])
    np.testing.assert_array_equal(dataset.y, before[1])
    np.testing.assert_array_equal(dataset[:3][0], before[0][:3])


def test_equal_steps_in_a_row_draw_different_numbers():
    once = images(400, Augmentation(aug.RandomFlip()))
    twice = images(400, Augmentation(aug.RandomFlip(), aug.RandomFlip()))
    flipped = (once.gather(slice(None), 0, 0)[0] != once.x).any((1, 2, 3))
    still = (twice.gather(slice(None), 0, 0)[0] != once.x).any((1, 2, 3))
    assert 150 < flipped.sum() < 250 and 150 < still.sum() < 250
    assert not np.array_equal(flipped, still)


def test_loader_hands_out_what_gather_makes_and_resumes():
    def loader():
        dataset = images(transform=Augmentation(*STEPS.values()))
        return DataLoader(dataset, 8, shuffle=True, seed=11)

    straight = loader()
    batches = [batch for _ in range(2) for batch in straight]
    order = straight.order(1)
    x, y = straight.dataset.gather(order[:8], 11, 1)
    np.testing.assert_array_equal(batches[len(straight)][0], x)
    np.testing.assert_array_equal(batches[len(straight)][1], y)
    first = loader()
    for _ in first:
        if first.position == 3:
            state = first.state_dict()
            break
    second = loader()
    second.load_state_dict(state)
    for (x, y), (again_x, again_y) in zip(batches[3:], second, strict=False):
        np.testing.assert_array_equal(x, again_x)
        np.testing.assert_array_equal(y, again_y)


def test_flip_is_a_mirror_image():
    dataset = images(60, Augmentation(aug.RandomFlip("vertical")))
    x, _ = dataset.gather(slice(None), 0, 0)
    mirrored = dataset.x[:, ::-1]
    for row in range(60):
        assert np.array_equal(x[row], dataset.x[row]) != np.array_equal(
            x[row], mirrored[row]
        )


def test_shift_moves_pixels_and_fills():
    # One bright pixel: where it goes is the shift, and its brightness stays.
    x = np.zeros((500, 11, 11, 1), np.float32)
    x[:, 5, 5] = 1
    dataset = ArrayDataset(x, np.zeros(500), Augmentation(aug.RandomShift((0.2, 0))))
    moved, _ = dataset.gather(slice(None), 0, 0)
    np.testing.assert_allclose(moved.sum((1, 2, 3)), 1, atol=1e-5)
    assert moved[:, :, :5].max() == 0 and moved[:, :, 6:].max() == 0
    place = (moved[..., 0].sum(2) * np.arange(11)).sum(1) - 5
    assert -2.2 <= place.min() < -2 and 2 < place.max() <= 2.2
    assert abs(place.mean()) < 0.2
    filled = Augmentation(aug.RandomShift(1.0, fill=7.0))
    y, _ = ArrayDataset(x, np.zeros(500), filled).gather(slice(None), 0, 0)
    assert (y[:, 0] == 7).all((1, 2)).any()


def test_rotation_turns_both_ways_around_the_centre():
    x = np.zeros((300, 9, 9, 1), np.float32)
    x[:, 4, 4] = 1
    x[:, 4, 8] = 0.5
    dataset = ArrayDataset(x, np.zeros(300), Augmentation(aug.RandomRotation(45)))
    turned, _ = dataset.gather(slice(None), 0, 0)
    np.testing.assert_allclose(turned[:, 4, 4, 0], 1, atol=1e-6)
    above, below = turned[:, :4, 6:].sum((1, 2, 3)), turned[:, 5:, 6:].sum((1, 2, 3))
    assert (above > 0.2).sum() > 50 and (below > 0.2).sum() > 50


def test_zoom_in_and_out():
    x = np.zeros((300, 9, 9, 1), np.float32)
    x[:, 3:6, 3:6] = 1
    dataset = ArrayDataset(x, np.zeros(300), Augmentation(aug.RandomZoom(0.5, 2)))
    area = dataset.gather(slice(None), 0, 0)[0].sum((1, 2, 3))
    assert 0.9 < area.min() < 4 and 30 < area.max() < 40
    assert 100 < (area < 9).sum() < 200


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize(
    ("mode", "theirs"),
    [
        ("constant", "grid-constant"),
        ("nearest", "nearest"),
        ("reflect", "reflect"),
        ("wrap", "grid-wrap"),
    ],
)
def test_warp_against_scipy(C, mode, theirs):
    ndimage = pytest.importorskip("scipy.ndimage", reason="the reference is SciPy's")
    rng = np.random.default_rng(2)
    x = rng.random((6, 10, 7, C))
    matrix = np.eye(2) + rng.normal(0, 0.4, (6, 2, 2))
    offset = rng.normal(0, 2, (6, 2))
    centre = np.array([4.5, 3.0])
    matrix, offset = matrix.round(3), offset.round(3)  # exact where ours rounds
    ours = warp(x, matrix, offset, mode, 0.25)
    for n in range(6):
        start = centre + offset[n] - matrix[n] @ centre
        for c in range(C):
            expected = ndimage.affine_transform(
                x[n, ..., c], matrix[n], start, order=1, mode=theirs, cval=0.25
            )
            np.testing.assert_allclose(ours[n, ..., c], expected, atol=1e-9)


def test_crop_takes_every_place():
    x = np.arange(6 * 6, dtype=np.float32).reshape(1, 6, 6, 1).repeat(400, 0) + 1
    dataset = ArrayDataset(x, np.zeros(400), Augmentation(aug.RandomCrop(4, padding=1)))
    pieces, _ = dataset.gather(slice(None), 0, 0)
    assert pieces.shape == (400, 4, 4, 1)
    padded = np.pad(x[0, ..., 0], 1)
    possible = {
        padded[r : r + 4, c : c + 4].tobytes() for r in range(5) for c in range(5)
    }
    assert {piece[..., 0].tobytes() for piece in pieces} == possible


def test_cutout_leaves_a_hole_of_the_size():
    x = np.ones((400, 12, 12, 2), np.float32)
    dataset = ArrayDataset(x, np.zeros(400), Augmentation(aug.Cutout((4, 6))))
    cut, _ = dataset.gather(slice(None), 0, 0)
    holes = (cut == 0).all(-1).sum((1, 2))
    assert holes.max() == 24 and holes.min() == 6  # a quarter, in the corners
    np.testing.assert_array_equal(cut[..., 0], cut[..., 1])


def test_mixup_mixes_inputs_and_targets_alike():
    x = np.eye(50, dtype=np.float32).reshape(50, 5, 10, 1)
    labels = np.arange(50)
    dataset = ArrayDataset(x, labels, Augmentation(aug.MixUp(1.0, classes=50)))
    mixed, targets = dataset.gather(slice(None), 0, 0)
    np.testing.assert_array_equal(mixed.reshape(50, 50), targets)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)
    own = targets[labels, labels]
    assert 0.3 < own.mean() < 0.7 and (own < 0.5).any()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 2.0])
def test_mixup_weights_are_beta(alpha):
    stats = pytest.importorskip("scipy.stats", reason="the reference is SciPy's")
    dataset = ArrayDataset(np.zeros((4000, 1), np.float32), np.zeros(4000))
    from tilewright.data.augmentation.mixup import _beta

    draws = aug.Draws(Augmentation(), 0, Visit(dataset, np.arange(4000), 0, 0))
    result = stats.kstest(_beta(alpha, draws), stats.beta(alpha, alpha).cdf)
    assert result.pvalue > 0.01


def test_mixup_of_numbers():
    y = np.arange(20, dtype=np.float32)[:, None]
    dataset = ArrayDataset(y, y, Augmentation(aug.MixUp(1.0)))
    mixed, targets = dataset.gather(slice(None), 0, 0)
    np.testing.assert_array_equal(mixed, targets)
    assert not np.array_equal(mixed, y)


def test_bytes_are_rescaled_first_and_refused_else():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 6, 1)).astype(np.uint8)
    steps = Augmentation(aug.Rescale(1 / 255), aug.RandomShift(0.1))
    x, _ = ArrayDataset(pixels, np.zeros(5), steps).gather(slice(None))
    assert x.dtype == np.float32 and x.max() <= 1
    with pytest.raises(TypeError, match=r"expected float images, got uint8; put Resc"):
        bare = Augmentation(aug.RandomShift(0.1))
        ArrayDataset(pixels, np.zeros(5), bare).gather(slice(2))


def test_normalizer_is_a_step():
    pytest.importorskip("sklearn", reason="needs the extra 'sklearn'")
    dataset = images()
    normalizer = Normalizer(dataset)
    dataset.transform = Augmentation(normalizer, aug.RandomFlip())
    x, _ = dataset.gather(slice(None))
    assert abs(x.mean()) < 1e-5 and abs(x.std() - 1) < 1e-3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: aug.RandomFlip("up"), ValueError, "direction must be one of hor"),
        (lambda: aug.RandomShift(1.5), ValueError, r"amount must be in \[0.0, 1.0\]"),
        (lambda: aug.RandomShift("a"), TypeError, "amount must be a number, got str"),
        (lambda: aug.RandomRotation(float("nan")), ValueError, "degrees must be in"),
        (lambda: aug.RandomShift(0.1, 0, "edge"), ValueError, "fill_mode must be one"),
        (lambda: aug.RandomZoom(1.2, 1.1), ValueError, r"high must be in \[1.2, 10"),
        (lambda: aug.RandomCrop(0), ValueError, "size must be >= 1, got 0"),
        (lambda: aug.RandomCrop((1, 2, 3)), ValueError, "must be an int or a pair"),
        (lambda: aug.Cutout(2.5), TypeError, "size must be of ints, got 2.5"),
        (lambda: aug.MixUp(0), ValueError, r"alpha must be in \[0.001, 2.0\], got 0"),
        (lambda: Augmentation(3), TypeError, "step 0 must be callable, got int"),
        (lambda: Augmentation(aug.Cutout), TypeError, r"write Cutout\(...\)"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_batches():
    flat = ArrayDataset(np.zeros((3, 4), np.float32), np.zeros(3))
    flat.transform = Augmentation(aug.RandomFlip())
    with pytest.raises(ValueError, match=r"expected images .*, got shape \(3, 4\)"):
        flat.gather(slice(None))
    with pytest.raises(ValueError, match=r"size \(20, 20\) is larger than the images"):
        images(3, Augmentation(aug.RandomCrop(20))).gather(slice(None))
    with pytest.raises(ValueError, match=r"class ids must be in \[0, 2\), got 0 to 4"):
        images(9, Augmentation(aug.MixUp(classes=2))).gather(slice(None))
