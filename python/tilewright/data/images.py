"""Image files as arrays a model was trained on: square, of one size."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from tilewright.extras import require

_T = TypeVar("_T", bound=np.generic)

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"}
)


class DecodedImage(NamedTuple):
    """An image file made ready, and whether its colours were turned round."""

    pixels: NDArray[np.float32]
    inverted: bool


def read_image(path: str | os.PathLike[str], size: int = 28) -> DecodedImage:
    """Read an image as MNIST has them: grey, light strokes on a dark background.

    The image is padded to a square with its background and resized. Where the
    background (the median of the border) is light, it is inverted.

    Parameters
    ----------
    path : path
        A file in any format that Pillow reads.
    size : int, default 28
        Height and width of the result.

    Returns
    -------
    DecodedImage
        pixels (size, size, 1) float32 in [0, 1], and whether it was inverted.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If Pillow cannot read it.
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> from tilewright.data import read_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "paper.png")
    ...     Image.new("L", (40, 60), 255).save(name)
    ...     pixels, inverted = read_image(name)
    >>> pixels.shape, float(pixels.max()), inverted
    ((28, 28, 1), 0.0, True)
    """
    grey = _decoded("read_image", path, _grey)
    from PIL import Image

    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = float(np.median(border))
    inverted = background > 127.5
    if inverted:
        grey, background = 255.0 - grey, 255.0 - background
    height, width = grey.shape
    side = max(height, width)
    square = np.full((side, side), background, np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = grey
    if side != size:
        resized = Image.fromarray(square).resize((size, size), Image.Resampling.LANCZOS)
        square = np.asarray(resized, np.float32)
    pixels = np.clip(square / np.float32(255), 0, 1, dtype=np.float32)[..., np.newaxis]
    return DecodedImage(pixels, inverted)


def read_photo(path: str | os.PathLike[str], size: int = 32) -> NDArray[np.float32]:
    """Read a photograph in colour: its middle square, resized.

    Parameters
    ----------
    path : path
        A file in any format that Pillow reads; grey ones have three equal channels,
        what is transparent becomes white, and an orientation noted in it is applied.
    size : int, default 32
        Height and width of the result.

    Returns
    -------
    ndarray of float32, shape (size, size, 3)
        Red, green, blue in [0, 1].

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If Pillow cannot read it.
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from PIL import Image
    >>> from tilewright.data import read_photo
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "sky.png")
    ...     Image.new("RGB", (40, 60), (0, 51, 255)).save(name)
    ...     pixels = read_photo(name)
    >>> pixels.shape, pixels[0, 0].round(2).tolist()
    ((32, 32, 3), [0.0, 0.20000000298023224, 1.0])
    """

    def square(image: Any) -> NDArray[np.uint8]:
        from PIL import Image, ImageOps

        image = ImageOps.exif_transpose(image)
        image = _on_paper(image).convert("RGB")
        fitted = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
        return np.asarray(fitted, np.uint8)

    pixels = _decoded("read_photo", path, square)
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def _decoded(
    op: str, path: str | os.PathLike[str], read: Callable[[Any], NDArray[_T]]
) -> NDArray[_T]:
    """What `read` makes of an image file, with one error for all that can be wrong."""
    require("PIL", extra="train")
    from PIL import Image, UnidentifiedImageError

    if not Path(path).is_file():
        raise FileNotFoundError(f"{op}: no such file: {path}")
    try:
        with Image.open(path) as image:
            return read(image)
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,  # what Pillow says of a damaged PNG
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise ValueError(f"{op}: cannot read {path} as an image") from error


def _on_paper(image: Any) -> Any:
    """The image, with white where it is transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _grey(image: Any) -> NDArray[np.float32]:
    """Grey levels in [0, 255]; what is transparent becomes white paper."""
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow's conversion clips deep images at 255 instead of scaling them.
        deep = np.asarray(image, np.float32)
        return deep / np.float32(257) if deep.max(initial=0) > 255 else deep
    return np.asarray(_on_paper(image).convert("L"), np.float32)
