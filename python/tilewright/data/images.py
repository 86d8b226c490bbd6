"""Image files as arrays a model was trained on: grey, square, light on dark."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tilewright.extras import require

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
    require("PIL", extra="train")
    from PIL import Image, UnidentifiedImageError

    if not Path(path).is_file():
        raise FileNotFoundError(f"read_image: no such file: {path}")
    try:
        with Image.open(path) as image:
            grey = _grey(image)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"read_image: cannot read {path} as an image") from error
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


def _grey(image: Any) -> NDArray[np.float32]:
    """Grey levels in [0, 255]; what is transparent becomes white paper."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        # Pillow's conversion clips deep images at 255 instead of scaling them.
        deep = np.asarray(image, np.float32)
        return deep / np.float32(257) if deep.max(initial=0) > 255 else deep
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return np.asarray(image.convert("L"), np.float32)
