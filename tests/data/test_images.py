import io
import struct
import zlib

import numpy as np
import pytest

from tilewright.data import load_folder, read_image, read_photo

Image = pytest.importorskip("PIL.Image", reason="image files need Pillow")


def save(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, mode).save(path)
    return path


def stroke(background, ink, shape=(28, 28)):
    pixels = np.full(shape, background, np.uint8)
    half, middle = max(shape) // 14, shape[1] // 2
    pixels[shape[0] // 4 : -shape[0] // 4, middle - half : middle + half] = ink
    return pixels


def test_image_of_the_right_size_is_unchanged(tmp_path):
    pixels = stroke(0, 200)
    image = read_image(save(tmp_path / "a.png", pixels))
    assert not image.inverted and image.pixels.dtype == np.float32
    np.testing.assert_array_equal(
        image.pixels[..., 0], pixels.astype(np.float32) / np.float32(255)
    )


def test_light_background_is_inverted(tmp_path):
    dark = read_image(save(tmp_path / "dark.png", stroke(0, 255)))
    light = read_image(save(tmp_path / "light.png", stroke(255, 0)))
    assert light.inverted and not dark.inverted
    np.testing.assert_array_equal(light.pixels, dark.pixels)


def test_oblong_image_is_padded_with_its_background(tmp_path):
    image = read_image(save(tmp_path / "tall.png", stroke(240, 10, (200, 50))))
    assert image.inverted and image.pixels.shape == (28, 28, 1)
    np.testing.assert_allclose(image.pixels[:, :8], 15 / 255, atol=1e-6)
    assert image.pixels[14, 13:15].max() > 0.5


def test_transparency_is_white_paper(tmp_path):
    pixels = np.zeros((28, 28, 4), np.uint8)
    pixels[8:20, 12:16] = (0, 0, 0, 255)
    image = read_image(save(tmp_path / "clear.png", pixels))
    assert image.inverted
    assert image.pixels[0, 0, 0] == 0 and image.pixels[14, 14, 0] == 1


def test_deep_image_is_scaled_not_clipped(tmp_path):
    pixels = stroke(0, 128).astype(np.uint16) * 257
    image = read_image(save(tmp_path / "deep.png", pixels))
    assert image.pixels.max() == pytest.approx(128 / 255)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file: .*none.png"):
        read_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(ValueError, match="cannot read .*text.png as an image"):
        read_image(tmp_path / "text.png")


def test_folder_of_classes_keeps_every_fifth_for_the_test(tmp_path):
    for name, ink in (("cat", 100), ("dog", 200)):
        for i in range(6):
            save(tmp_path / name / f"{i}.png", stroke(0, ink + i))
    (tmp_path / ".hidden").mkdir()
    train, test, classes = load_folder(tmp_path)
    assert classes == ["cat", "dog"]
    assert train.y.tolist() == [0] * 4 + [1] * 4
    assert test.y.tolist() == [0] * 2 + [1] * 2
    peaks = np.rint(test.x.max(axis=(1, 2, 3)) * 255).tolist()
    assert peaks == [100, 105, 200, 205]


def test_folder_with_train_and_test(tmp_path):
    for part, count in (("train", 3), ("test", 1)):
        for name in ("a", "b"):
            for i in range(count):
                save(tmp_path / part / name / f"{i}.png", stroke(0, 99))
    train, test, classes = load_folder(tmp_path)
    assert (len(train), len(test), classes) == (6, 2, ["a", "b"])
    save(tmp_path / "test" / "c" / "0.png", stroke(0, 99))
    with pytest.raises(ValueError, match="classes that training has not: c"):
        load_folder(tmp_path)


def test_folder_that_has_neither(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_folder(tmp_path / "none")
    with pytest.raises(ValueError, match="at least two sub-folders .* found 0"):
        load_folder(tmp_path)
    for name in ("a", "b"):
        save(tmp_path / name / "0.png", stroke(0, 99))
    with pytest.raises(ValueError, match="class 'a' .* at least 2 images, got 1"):
        load_folder(tmp_path)


def tree_with_a_broken_image(folder):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for number in range(10):
            pixels = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
            save(folder / name / f"{number}.png", pixels)
    broken = folder / "dog" / "3.png"
    broken.write_bytes(broken.read_bytes()[:200])
    return broken


@pytest.mark.parametrize("colour", [False, True])
def test_broken_image_in_a_folder_is_named_or_skipped(tmp_path, caplog, colour):
    broken = tree_with_a_broken_image(tmp_path)
    with pytest.raises(ValueError, match=f"cannot read {broken} as an image"):
        load_folder(tmp_path, colour=colour)
    train, test, classes = load_folder(tmp_path, 16, colour=colour, on_error="skip")
    assert (len(train), len(test)) == (15, 4) and classes == ["cat", "dog"]
    assert train.x.shape[1:] == (16, 16, 3 if colour else 1)
    assert np.bincount(train.y).tolist() == [8, 7]
    assert str(broken) in caplog.text and "skipped" in caplog.text
    told = []
    load_folder(tmp_path, on_error=lambda path, error: told.append(path))
    assert told == [broken]
    with pytest.raises(ValueError, match="on_error must be 'raise', 'skip' or a func"):
        load_folder(tmp_path, on_error="ignore")


def damaged(kind):
    """Content of an image file that is none, or none any more."""
    pixels = np.random.default_rng(1).integers(0, 256, (90, 80, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    kinds = {"cut jpeg": "JPEG", "cut tiff": "TIFF"}
    Image.fromarray(pixels).save(buffer, kinds.get(kind, "PNG"))
    content = buffer.getvalue()
    if kind.startswith("cut"):
        return content[: len(content) // 2]
    if kind == "zeros":
        return content[:200] + bytes(300) + content[500:]
    if kind == "bomb":  # says that it has 3.6 billion pixels
        header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        checksum = struct.pack(">I", zlib.crc32(header))
        return content[:12] + header + checksum + content[33:]
    return {"empty": b"", "text": b"<html>no image</html>"}[kind]


@pytest.mark.parametrize(
    "kind",
    ["cut png", "cut jpeg", "cut tiff", "zeros", "bomb", "empty", "text", "link"],
)
def test_whatever_is_wrong_with_an_image_it_is_named_or_skipped(tmp_path, kind):
    broken = tree_with_a_broken_image(tmp_path)
    # Not by its name alone is a file an image, nor a folder.
    (tmp_path / "cat" / "more.png").mkdir()
    broken.unlink()
    if kind == "link":
        broken.symlink_to(tmp_path / "nothing.png")
    else:
        broken.write_bytes(damaged(kind))
    for colour in (False, True):
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            load_folder(tmp_path, colour=colour)
        assert str(broken) in str(caught.value)
        train, test, _ = load_folder(tmp_path, colour=colour, on_error="skip")
        assert len(train) + len(test) == 19


def test_photo_is_the_middle_square_in_colour(tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 20:60] = (255, 128, 0)
    photo = read_photo(save(tmp_path / "a.png", pixels), 10)
    assert photo.shape == (10, 10, 3) and photo.dtype == np.float32
    assert np.abs(photo[2:8, 2:8] - np.float32([1, 128 / 255, 0])).max() < 0.01
    clear = np.zeros((8, 8, 4), np.uint8)
    assert read_photo(save(tmp_path / "clear.png", clear), 8).min() == 1
    grey = np.full((8, 8), 51, np.uint8)
    np.testing.assert_allclose(read_photo(save(tmp_path / "g.png", grey), 8), 0.2)
