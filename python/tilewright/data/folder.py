"""A folder of the user's own images as training and test data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tilewright.data.dataset import ArrayDataset
from tilewright.data.files import logger
from tilewright.data.images import IMAGE_SUFFIXES, read_image, read_photo
from tilewright.data.mnist import has_mnist_format, load_mnist_format

# A file that cannot be read, and why.
OnError = Callable[[Path, Exception], object]


class FolderData(NamedTuple):
    """Training and test set of a folder, with the names of the classes."""

    train: ArrayDataset
    test: ArrayDataset
    classes: list[str]


def load_folder(
    path: str | os.PathLike[str],
    size: int = 28,
    *,
    colour: bool = False,
    on_error: str | OnError = "raise",
) -> FolderData:
    """Read a folder of IDX files in MNIST's format, or of images sorted by class.

    Images lie in one sub-folder per class; the classes are numbered in the order of
    their names. Where the folder has ``train`` and ``test`` folders with the classes
    inside, those are the two sets; else each class's every fifth image, in the order
    of the file names, is kept for the test.

    Parameters
    ----------
    path : path
    size : int, default 28
        Height and width that images are brought to.
    colour : bool, default False
        Read images by `read_photo`, in colour, instead of by `read_image`, which makes
        them grey and light on dark, as MNIST's are.
    on_error : {"raise", "skip"} or callable, default "raise"
        What becomes of an image that cannot be read, such as a link to nothing: an
        error that names it; it is left out, with a warning that names it in the log;
        or it is left out after a call of ``on_error(path, error)``.

    Returns
    -------
    FolderData
        train, test: x (N, H, W, C) float32 in [0, 1], C being 3 with `colour` and
        else 1, y (N,) int64; and the class names, where the class id is the position.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist, or an IDX file of the four is missing.
    ValueError
        If it has neither IDX files nor classes with at least two images each, a file
        is damaged, or `on_error` is unknown.
    ImportError
        If it has images and Pillow is not installed.
    """
    if not callable(on_error) and on_error not in ("raise", "skip"):
        raise ValueError(
            "load_folder: on_error must be 'raise', 'skip' or a function, got "
            f"{on_error!r}"
        )
    root = Path(path).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"load_folder: no such folder: {root}")
    if has_mnist_format(root):
        train, test = load_mnist_format(root)
        highest = max(int(train.y.max(initial=0)), int(test.y.max(initial=0)))
        return FolderData(train, test, [str(c) for c in range(highest + 1)])
    if (root / "train").is_dir() and (root / "test").is_dir():
        classes = _class_names(root / "train")
        unknown = sorted(set(_class_names(root / "test")) - set(classes))
        if unknown:
            raise ValueError(
                f"load_folder: {root / 'test'} has classes that training has not: "
                + ", ".join(unknown)
            )
        train_files = [_images(root / "train" / name) for name in classes]
        test_files = [_images(root / "test" / name) for name in classes]
    else:
        classes = _class_names(root)
        files = [_images(root / name) for name in classes]
        for name, paths in zip(classes, files, strict=True):
            if len(paths) < 2:
                raise ValueError(
                    f"load_folder: class {name!r} in {root} needs at least 2 images, "
                    f"got {len(paths)}"
                )
        test_files = [paths[::5] for paths in files]
        train_files = [[p for i, p in enumerate(paths) if i % 5] for paths in files]
    if not callable(on_error):
        on_error = _raise if on_error == "raise" else _log
    train, test = (
        _read(files, size, colour, on_error) for files in (train_files, test_files)
    )
    return FolderData(train, test, classes)


def _class_names(root: Path) -> list[str]:
    names = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and _images(entry)
    )
    if len(names) < 2:
        raise ValueError(
            f"load_folder: {root} needs MNIST-format IDX files or at least two "
            f"sub-folders of images, one per class; found {len(names)} with images"
        )
    return names


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.is_dir()
    )


def _raise(path: Path, error: Exception) -> None:
    raise error


def _log(path: Path, error: Exception) -> None:
    logger.warning("load_folder: skipped: %s", error)


def _read(
    files: list[list[Path]], size: int, colour: bool, on_error: OnError
) -> ArrayDataset:
    """Data set of the images of each class, without those that cannot be read."""
    x = np.empty((sum(map(len, files)), size, size, 3 if colour else 1), np.float32)
    y = np.empty(len(x), np.int64)
    row = 0
    for label, paths in enumerate(files):
        for path in paths:
            try:
                if colour:
                    x[row] = read_photo(path, size)
                else:
                    x[row] = read_image(path, size).pixels
            except (ValueError, FileNotFoundError) as error:
                on_error(path, error)
                continue
            y[row] = label
            row += 1
    return ArrayDataset(x[:row], y[:row])
