"""Small files in MNIST's format, for tests."""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

from tilewright.data.mnist import CHECKSUMS

NAMES = list(CHECKSUMS)


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = np.array(array.shape, dtype=">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def small_set(train: int = 50, test: int = 20) -> dict[str, bytes]:
    """The four files' decompressed bytes, by name; pixels and labels random."""
    rng = np.random.default_rng(0)
    contents = {}
    for prefix, size in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (size, 28, 28))
        contents[f"{prefix}-images-idx3-ubyte"] = idx_bytes(images)
        contents[f"{prefix}-labels-idx1-ubyte"] = idx_bytes(np.arange(size) % 10)
    return contents


def write_set(folder: Path, contents: dict[str, bytes], packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


def checksums(contents: dict[str, bytes]) -> dict[str, str]:
    return {
        name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
    }


def expect_set(monkeypatch, contents: dict[str, bytes]) -> None:
    """Make `contents` what `data.mnist` takes for the real files."""
    # `tilewright.data.mnist` the attribute is the function, not the module.
    module = sys.modules["tilewright.data.mnist"]
    monkeypatch.setattr(module, "CHECKSUMS", checksums(contents))
