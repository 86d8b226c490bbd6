"""Make the MNIST sample that ships with the package, from the full set.

    python tools/make_mnist_sample.py            (writes the file)
    python tools/make_mnist_sample.py --check    (compares its content)

MNIST is found as `tilewright.data.mnist` finds it (TILEWRIGHT_DATA_DIR, the cache).
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tilewright.atomic import write_atomic
from tilewright.data.mnist import mnist

SAMPLE = Path(__file__).resolve().parents[1] / "python/tilewright/data/mnist_sample.npz"


def evenly_spaced(labels: NDArray[np.int64], per_class: int) -> NDArray[np.int64]:
    """Rows of `per_class` images of each class, spaced through the set, ascending.

    MNIST's halves were written by different people, so the first ones of a class
    would be a biased draw.
    """
    rows = []
    for label in range(10):
        members = np.flatnonzero(labels == label)
        rows.append(members[np.arange(per_class) * len(members) // per_class])
    return np.sort(np.concatenate(rows))


def sample_arrays() -> dict[str, NDArray[np.uint8]]:
    """The sample's four arrays, by the names they have in the file."""
    arrays = {}
    for part, dataset, per_class in zip(
        ("train", "test"), mnist(), (600, 100), strict=True
    ):
        rows = evenly_spaced(dataset.y, per_class)
        pixels = np.rint(dataset.x[rows, :, :, 0] * 255)
        arrays[f"{part}_images"] = pixels.astype(np.uint8)
        arrays[f"{part}_labels"] = dataset.y[rows].astype(np.uint8)
    return arrays


def npz_bytes(arrays: dict[str, NDArray[np.uint8]]) -> bytes:
    """An .npz file with LZMA inside, which NumPy reads but does not write.

    A tenth smaller than DEFLATE on this data; the fixed date keeps it reproducible.
    """
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            entry = zipfile.ZipInfo(f"{name}.npy", (1998, 11, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, content.getvalue())
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, don't write")
    options = parser.parse_args()
    arrays = sample_arrays()
    if options.check:
        with np.load(SAMPLE) as shipped:
            same = sorted(shipped) == sorted(arrays) and all(
                np.array_equal(shipped[name], array) for name, array in arrays.items()
            )
        sys.exit(0 if same else f"{SAMPLE} differs from what this script makes")
    write_atomic(SAMPLE, npz_bytes(arrays))
    print(f"{SAMPLE.name}: {SAMPLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
