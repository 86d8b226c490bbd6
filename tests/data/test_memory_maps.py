"""Data sets in files larger than memory: only the rows of a batch are read."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tilewright.data import ArrayDataset, Augmentation, DataLoader
from tilewright.data.augmentation import Rescale


def write_maps(folder, size=50):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (size, 6, 5, 1)).astype(np.uint8)
    y = np.arange(size) % 10
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return x, y


def test_gathers_what_an_array_in_memory_would(tmp_path):
    x, y = write_maps(tmp_path)
    steps = Augmentation(Rescale(1 / 255))
    mapped = ArrayDataset.from_npy(tmp_path / "x.npy", tmp_path / "y.npy", steps)
    held = ArrayDataset(x, y, steps)
    assert isinstance(mapped.x.base, np.memmap)
    for shuffle in (False, True):
        pairs = zip(
            DataLoader(mapped, 8, shuffle, seed=1),
            DataLoader(held, 8, shuffle, seed=1),
            strict=True,
        )
        for (x1, y1), (x2, y2) in pairs:
            np.testing.assert_array_equal(x1, x2)
            np.testing.assert_array_equal(y1, y2)
            assert x1.dtype == np.float32


def test_file_larger_than_memory():
    # A file of 1 TB, nearly all of it a hole: no machine of ours could hold it.
    program = """
        import resource, sys, tempfile
        from pathlib import Path
        import numpy as np
        from tilewright.data import ArrayDataset, Augmentation, DataLoader
        from tilewright.data.augmentation import Rescale

        size, row = 10_000_000, (320, 320, 1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.npy")
            try:
                x = np.lib.format.open_memmap(path, "w+", np.uint8, (size, *row))
            except OSError as error:
                print(f"no sparse files of 1 TB here: {error}")
                sys.exit(77)
            x[size - 1] = 255
            del x
            np.save(Path(folder, "y.npy"), np.zeros(size, np.uint8))
            dataset = ArrayDataset.from_npy(
                path, Path(folder, "y.npy"), Augmentation(Rescale(1 / 255)))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for seed in range(20):
                rows = np.random.default_rng(seed).integers(0, size, 32)
                assert dataset.gather(rows)[0].max() == 0
            assert dataset.gather(slice(size - 1, size))[0].min() == 1
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(f"{grown} kB")
            assert grown < 300_000
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    if result.returncode == 77:
        pytest.skip(result.stdout.strip())
    assert result.returncode == 0, result.stdout + result.stderr


def test_bad_files_are_named(tmp_path):
    write_maps(tmp_path)
    text = tmp_path / "text.npy"
    text.write_text("no array")
    with pytest.raises(ValueError, match=r"ArrayDataset: .*text.npy: .*magic"):
        ArrayDataset.from_npy(text, tmp_path / "y.npy")
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"objects.npy: .*[Oo]bject"):
        ArrayDataset.from_npy(tmp_path / "objects.npy", tmp_path / "y.npy")
    with pytest.raises(FileNotFoundError):
        ArrayDataset.from_npy(tmp_path / "none.npy", tmp_path / "y.npy")
    np.save(tmp_path / "short.npy", np.zeros(3))
    with pytest.raises(ValueError, match="x has 50 samples but y has 3"):
        ArrayDataset.from_npy(tmp_path / "x.npy", tmp_path / "short.npy")
