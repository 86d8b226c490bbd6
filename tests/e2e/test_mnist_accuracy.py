"""All of MNIST, five epochs, five seeds, beside PyTorch from the same weights."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import HAS_EXTENSION, NO_EXTENSION

import tilewright as tw
from tilewright.data import DataLoader, mnist, mnist_folder
from tilewright.models import mnist_cnn

SEEDS = range(5)
EPOCHS = 5

pytestmark = [
    pytest.mark.skipif(not HAS_EXTENSION, reason=NO_EXTENSION),
    pytest.mark.skipif(
        not os.environ.get("TILEWRIGHT_DATA_DIR") or mnist_folder() is None,
        reason="TILEWRIGHT_DATA_DIR does not name all of MNIST",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
    ),
]


def ours(seed: int, weights: Path) -> float:
    train, test = mnist()
    tw.manual_seed(seed)
    model = mnist_cnn()
    np.savez(weights, *[parameter.data for parameter in model.parameters()])
    trainer = tw.Trainer(model, tw.optim.Adam(model.parameters(), lr=1e-3))
    with tw.backend("cpu"):
        loader = DataLoader(train, 32, shuffle=True, seed=seed)
        trainer.fit(loader, epochs=EPOCHS, verbose=False)
        return trainer.evaluate(test)["accuracy"]


def theirs(seed: int, weights: Path) -> float:
    variables = dict(os.environ)
    # glibc would hand freed memory back and fault it in again at every step.
    variables.update(
        MALLOC_MMAP_THRESHOLD_="4000000000",
        MALLOC_TRIM_THRESHOLD_="20000000000",
        MALLOC_TOP_PAD_="100000000",
    )
    script = Path(__file__).with_name("torch_reference.py")
    done = subprocess.run(
        [sys.executable, str(script), str(weights), str(seed), str(EPOCHS)],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def test_as_accurate_as_pytorch(tmp_path, capsys):
    rows = []
    with capsys.disabled():
        print("\n\nseed   tilewright  seconds     PyTorch  seconds")
        for seed in SEEDS:
            weights = tmp_path / f"{seed}.npz"
            began = time.perf_counter()
            mine = ours(seed, weights)
            between = time.perf_counter()
            peer = theirs(seed, weights)
            ended = time.perf_counter()
            rows.append((mine, peer))
            print(
                f"{seed:4}   {mine:10.4f}  {between - began:7.1f}  "
                f"{peer:10.4f}  {ended - between:7.1f}",
                flush=True,
            )
        means = np.mean(rows, axis=0)
        print(f"mean   {means[0]:10.4f}           {means[1]:10.4f}")
    assert min(mine for mine, _ in rows) >= 0.985
    assert abs(means[0] - means[1]) <= 0.0015
