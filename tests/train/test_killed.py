"""Training that is killed, at any moment, or that has no room left on the disk."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import tilewright as tw
from tilewright.train import CHECKPOINT_NAME, load_tree
from tilewright.train.checkpoint_store import CheckpointStore

pytest.importorskip("safetensors", reason="checkpoints need safetensors")

KILLS = 20
TRAINING = """
import json, sys, time
from pathlib import Path
import toy
import tilewright as tw
from tilewright import optim, train

folder, pause = Path(sys.argv[1]), float(sys.argv[2])
trainer = toy.trainer(seed=int(sys.argv[3]), dropout=0.3)
keep = train.Checkpoint(folder, every_batches=2, keep=3, monitor="val_loss")
schedule = optim.lr_scheduler.CosineWarmupLR(trainer.optimizer, 800, 50)

class Pause(train.Callback):
    def on_batch_end(self, run):
        time.sleep(pause)

print("begins", flush=True)
trainer.fit(
    toy.images(), 60, 8, validation_data=toy.images(16), verbose=False,
    callbacks=[
        Pause(), train.LearningRateSchedule(schedule, every="batch"),
        train.MovingAverage(0.9), keep,
    ],
    resume=any(folder.glob("checkpoint*.safetensors")),
)
tw.save(trainer.model, folder / "final.safetensors")
(folder / "final.json").write_text(json.dumps(trainer.history.history))
"""
HERE = Path(__file__).parent


def start(folder, pause=0.0, seed=0):
    paths = [str(HERE), str(Path(tw.__file__).parents[1]), os.environ.get("PYTHONPATH")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))
    command = [sys.executable, "-c", TRAINING, str(folder), str(pause), str(seed)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"begins\n", process.stderr.read()
    return process


def finish(process, expected=0):
    _, errors = process.communicate()
    assert process.returncode == expected, errors


def test_twenty_kills_and_the_bits_of_a_run_without(tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    for folder in (straight, killed):
        folder.mkdir()
    finish(start(straight))

    moments = random.Random(0)
    store = CheckpointStore(killed, 3)
    places = set()
    for kill in range(KILLS):
        process = start(killed, 0.004, seed=kill)
        time.sleep(moments.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        finish(process, -signal.SIGKILL)
        if any(killed.glob("checkpoint*.safetensors")):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                state = store.load()["loader"]
            places.add((state["epoch"], state["position"]))
    # It did get on between the kills, and they fell at different places.
    assert len(places) > 3
    finish(start(killed, seed=99))
    for name in ("final.safetensors", "final.json"):
        assert (killed / name).read_bytes() == (straight / name).read_bytes()
    assert len(json.loads((killed / "final.json").read_text())["loss"]) == 60
    assert not list(killed.glob("*.part"))


SAVING = """
import os, signal, sys
import numpy as np
from tilewright.train.checkpoint_store import CheckpointStore

store = CheckpointStore(sys.argv[1], keep=3)
for step in range(3):
    store.save({"step": step, "weights": np.full(1000, step)})
die_in, times = sys.argv[2], int(sys.argv[3])
original = getattr(os, die_in)

def deadly(*arguments):
    global times
    times -= 1
    if times == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)

setattr(os, die_in, deadly)
store.save({"step": 3, "weights": np.full(1000, 3)})
"""


@pytest.mark.parametrize(
    ("die_in", "times", "expected"),
    [
        ("fsync", 1, 2),
        ("chmod", 1, 2),
        ("replace", 1, 2),
        ("link", 1, 2),
        ("replace", 2, 2),
        ("replace", 3, 2),
        ("fsync", 2, 3),
    ],
)
def test_killed_while_saving(tmp_path, die_in, times, expected):
    result = subprocess.run(
        [sys.executable, "-c", SAVING, str(tmp_path), die_in, str(times)]
    )
    assert result.returncode == -signal.SIGKILL
    assert load_tree(tmp_path / CHECKPOINT_NAME)["step"] == expected
    store = CheckpointStore(tmp_path, keep=3)
    store.sweep()
    assert not list(tmp_path.glob("*.part"))
    for path in tmp_path.iterdir():
        tree = load_tree(path)
        assert (tree["weights"] == tree["step"]).all()
    store.save({"step": 4})
    assert store.load() == {"step": 4}


FILLING = """
import sys
import toy
from tilewright import train

trainer = toy.trainer()
try:
    trainer.fit(
        toy.images(), 50, 16, verbose=False, checkpoint_dir=sys.argv[1],
        callbacks=[train.CSVLog(sys.argv[1] + "/log.csv"), Fill()],
    )
except OSError as error:
    print("refused:", error.errno, trainer.history.epochs)
"""
FILL_DISK = """
from tilewright.train import Callback
class Fill(Callback):
    def on_epoch_end(self, run, values):
        if run.history.epochs == 3:
            with open(sys.argv[1] + "/filler", "wb", buffering=0) as file:
                while True:
                    try:
                        file.write(bytes(4096))
                    except OSError:
                        break
"""
FILL_LIMIT = """
import resource
from tilewright.train import Callback
class Fill(Callback):
    def on_epoch_end(self, run, values):
        if run.history.epochs == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
"""


def fill(folder, how):
    paths = [str(HERE), str(Path(tw.__file__).parents[1]), os.environ.get("PYTHONPATH")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)))
    result = subprocess.run(
        [sys.executable, "-c", f"import sys\n{how}\n{FILLING}", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def assert_goes_on(folder):
    import toy

    assert not list(folder.glob("*.part"))
    straight = toy.trainer()
    straight.fit(toy.images(), 4, 16, verbose=False)
    resumed = toy.trainer(seed=8)
    resumed.fit(toy.images(), 4, 16, verbose=False, checkpoint_dir=folder, resume=True)
    assert toy.weights(resumed) == toy.weights(straight)


def test_files_that_may_not_grow(tmp_path):
    word, number, epochs = fill(tmp_path, FILL_LIMIT)
    assert (word, epochs) == ("refused:", "3") and int(number) > 0
    assert load_tree(tmp_path / CHECKPOINT_NAME)["loader"]["epoch"] == 2
    assert_goes_on(tmp_path)


def test_full_disk(tmp_path):
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if not (mount and unmount):
        pytest.skip("mount is not here")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted: {mounted.stderr.strip()}")
    try:
        word, _, epochs = fill(disk, FILL_DISK)
        assert (word, epochs) == ("refused:", "3")
        assert load_tree(disk / CHECKPOINT_NAME)["loader"]["epoch"] == 2
        (disk / "filler").unlink()
        assert_goes_on(disk)
    finally:
        subprocess.run([unmount, str(disk)], check=True)
