"""Damaged and hostile checkpoints: refused with a clear error, the one before used."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import toy

import tilewright
from tilewright import nn, optim, train
from tilewright.train import CHECKPOINT_NAME, load_tree, save_tree
from tilewright.train.checkpoint_store import CheckpointStore

pytest.importorskip("safetensors", reason="checkpoints need safetensors")

TREE = {"step": 7, "weights": [np.arange(50, dtype=np.float32)], "rate": 0.1}


def assert_same(tree):
    assert tree["step"] == 7 and tree["rate"] == 0.1
    np.testing.assert_array_equal(tree["weights"][0], TREE["weights"][0])


def test_any_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "c"
    save_tree(path, TREE)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.permutation(len(whole))[:400]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            tree = load_tree(path)
        except ValueError as error:
            assert "c: " in str(error)
            refused += 1
        else:
            # A bit that stands for nothing, such as one of padding.
            assert_same(tree)
    assert refused > 380


def test_a_changed_weight_is_noticed_by_its_checksum(tmp_path):
    path = tmp_path / "c"
    save_tree(path, TREE)
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="content does not have its checksum"):
        load_tree(path)


def test_cut_short_anywhere(tmp_path):
    path = tmp_path / "c"
    save_tree(path, TREE)
    whole = path.read_bytes()
    for size in range(0, len(whole), 13):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="c: damaged or cut short"):
            load_tree(path)


def written(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def signed(skeleton, tensors=()):
    """What an attacker can make: a description of any kind with its checksum."""
    text = skeleton if isinstance(skeleton, str) else json.dumps(skeleton)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"tilewright": text, "tilewright.sha256": digest, **dict(tensors)}


TENSOR = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
DEEP = "[" * 100_000 + "]" * 100_000
HOSTILE = {
    "huge header": written(b"{}", size=2**62),
    "large header": written(b"{}", size=200 * 2**20),
    "header that is no text": written(b"\xff\xfe\x00"),
    "no object": written([1, 2]),
    "overlapping tensors": written({"a": TENSOR, "b": TENSOR}, bytes(16)),
    "shape beyond the data": written({"a": {**TENSOR, "shape": [4000]}}, bytes(16)),
    "shape that overflows": written(
        {"a": {**TENSOR, "shape": [2**40, 2**40]}}, bytes(16)
    ),
    "negative shape": written({"a": {**TENSOR, "shape": [-4]}}, bytes(16)),
    "offsets beyond the file": written(
        {"a": {**TENSOR, "data_offsets": [0, 2**40]}}, bytes(16)
    ),
    "gap": written({"a": {**TENSOR, "data_offsets": [16, 32]}}, bytes(32)),
    "negative offsets": written(
        {"a": {**TENSOR, "data_offsets": [-16, 16]}}, bytes(16)
    ),
    "offsets that go back": written(
        {"a": {**TENSOR, "data_offsets": [16, 0]}}, bytes(16)
    ),
    "two tensors of one name": written(
        b'{"a":' + json.dumps(TENSOR).encode() + b',"a":{"dtype":"F32","shape":[4],'
        b'"data_offsets":[16,32]}}',
        bytes(32),
    ),
    "NaN for an extent": written(
        b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,16]}}', bytes(16)
    ),
    "half an extent": written({"a": {**TENSOR, "shape": [0.5, 8]}}, bytes(16)),
    "names that are no text": written(b'{"\xff\xfe":3}'),
    "header that is nested": written(b'{"a":' + DEEP.encode() + b"}"),
    "metadata that is no text": written({"__metadata__": {"tilewright": 3}}),
    "unknown type": written({"a": {**TENSOR, "dtype": "X9"}}, bytes(16)),
    "more data": written({"a": TENSOR}, bytes(64)),
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
    "description that is no JSON": written({"__metadata__": signed("{")}),
    "description that is nested": written({"__metadata__": signed(DEEP)}),
    "missing tensor": written(
        {"__metadata__": signed({"format": 2, "tree": {"$tensor": "a"}})}
    ),
    "unknown container": written(
        {"__metadata__": signed({"format": 2, "tree": {"$eval": "1"}})}
    ),
    "no tree": written({"__metadata__": signed({"format": 2, "tree": 3})}),
    "no format": written({"__metadata__": signed({"tree": {"$dict": []}})}),
    "no checksum": written(
        {"__metadata__": {"tilewright": '{"format": 2, "tree": {"$dict": []}}'}}
    ),
    "keys that are lists": written(
        {"__metadata__": signed({"format": 2, "tree": {"$dict": [[[], 1]]}})}
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    path = tmp_path / "hostile"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ValueError, match="hostile: "):
        load_tree(path)


def test_nothing_is_ever_unpickled():
    package = Path(tilewright.__file__).parent
    unpickling = re.compile(
        r"^\s*(import pickle|from pickle|import dill|import joblib)|allow_pickle=True",
        re.MULTILINE,
    )
    found = [p.name for p in package.rglob("*.py") if unpickling.search(p.read_text())]
    assert found == []


# The store.


def fitted(folder, epochs=3, **options):
    trainer = toy.trainer()
    keep = train.Checkpoint(folder, **options)
    trainer.fit(toy.images(), epochs, 16, callbacks=[keep], verbose=False)
    return trainer


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_last_few_are_kept(tmp_path):
    fitted(tmp_path, 5, keep=3)
    assert names(tmp_path) == [
        "checkpoint-1.safetensors", "checkpoint-2.safetensors", CHECKPOINT_NAME
    ]  # fmt: skip
    store = CheckpointStore(tmp_path, 3)
    epochs = [load_tree(store.path(age))["loader"]["epoch"] for age in range(3)]
    assert epochs == [5, 4, 3]
    fitted(tmp_path / "one", 3, keep=1)
    assert names(tmp_path / "one") == [CHECKPOINT_NAME]


def test_the_best_is_kept(tmp_path):
    script = iter([0.5, 0.9, 0.7, 0.8])

    def accuracy(outputs, targets):
        return next(script)

    base = toy.trainer()
    trainer = tilewright.Trainer(base.model, base.optimizer, metrics=[accuracy])
    keep = train.Checkpoint(tmp_path, monitor="accuracy")
    trainer.fit(toy.images(), 4, 96, callbacks=[keep], verbose=False)
    best = load_tree(tmp_path / "best.safetensors")
    assert best["history"]["history"]["accuracy"] == [0.5, 0.9]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign", "gone"])
def test_the_one_before_serves_for_a_damaged_one(tmp_path, damage):
    straight = toy.trainer()
    straight.fit(toy.images(), 4, 16, verbose=False)
    fitted(tmp_path, 3)
    latest = tmp_path / CHECKPOINT_NAME
    content = bytearray(latest.read_bytes())
    content[-40] ^= 4
    if damage == "gone":
        latest.unlink()
    else:
        latest.write_bytes(
            {
                "cut": content[:-9],
                "flip": content,
                "empty": b"",
                "foreign": HOSTILE["pickle"],
            }[damage]
        )
    resumed = toy.trainer(seed=9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        resumed.fit(
            toy.images(), 4, 16, checkpoint_dir=tmp_path, resume=True, verbose=False
        )
    text = " ".join(str(each.message) for each in caught)
    assert ("going on from" in text) == (damage != "gone")
    assert toy.weights(resumed) == toy.weights(straight)


def test_all_damaged(tmp_path):
    fitted(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        ValueError, match="checkpoint.*; .*checkpoint-1.*damaged or cut"
    ):
        toy.trainer().fit(
            toy.images(), 4, checkpoint_dir=tmp_path, resume=True, verbose=False
        )


def test_wrong_shapes_and_missing_parts_change_nothing(tmp_path):
    fitted(tmp_path, keep=1)
    path = tmp_path / CHECKPOINT_NAME
    tree = load_tree(path)

    def resume(changed, error, text):
        save_tree(path, changed)
        trainer = toy.trainer(seed=3)
        before = toy.weights(trainer)
        with pytest.raises(error, match=text):
            trainer.fit(
                toy.images(), 4, checkpoint_dir=tmp_path, resume=True, verbose=False
            )
        assert toy.weights(trainer) == before

    weight = "5.weight"
    shapes = {**tree["model"], weight: np.zeros((2, 3), np.float32)}
    resume(
        {**tree, "model": shapes},
        ValueError,
        r"5.weight must have shape \(36, 4\), got \(2, 3\)",
    )
    kinds = {**tree["model"], weight: "text"}
    resume({**tree, "model": kinds}, TypeError, "5.weight must be a NumPy array")
    resume({k: v for k, v in tree.items() if k != "optimizer"}, ValueError, "lacks opt")
    resume({**tree, "optimizer": {"state": {}}}, TypeError, "must have 'state' and 'p")
    resume({**tree, "random": {}}, ValueError, "set_state: state must be what")
    resume({**tree, "loader": {}}, ValueError, "its form is wrong .*samples")
    tree["optimizer"]["state"][0]["exp_avg"] = np.zeros(3, np.float32)
    resume(tree, ValueError, "exp_avg of parameter 0 must have shape")


def test_another_optimizer_is_refused(tmp_path):
    fitted(tmp_path)
    model = toy.network()
    trainer = tilewright.Trainer(model, optim.SGD(model.parameters()))
    before = toy.weights(trainer)
    with pytest.raises(ValueError, match="is it of another kind of optimizer"):
        trainer.fit(
            toy.images(), 4, checkpoint_dir=tmp_path, resume=True, verbose=False
        )
    assert toy.weights(trainer) == before


def test_all_state_is_resumed(tmp_path):
    """Batch normalization, callbacks with state, within an epoch and after it."""

    def run(epochs, resume=False, folder=None):
        tilewright.manual_seed(0 if not resume else 5)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(144, 4),
        )  # fmt: skip
        optimizer = optim.RMSprop(model.parameters(), lr=0.01, momentum=0.5)
        schedule = optim.lr_scheduler.CosineWarmupLR(optimizer, 40, 5)
        callbacks = [
            train.LearningRateSchedule(schedule, every="batch"),
            train.MovingAverage(0.8),
            train.GradientAccumulation(2),
            train.EarlyStopping(patience=20),
            train.CSVLog(tmp_path / "log.csv"),
        ]
        if folder:
            callbacks.append(train.Checkpoint(folder, every_batches=1))
        trainer = tilewright.Trainer(model, optimizer, metrics=["accuracy", "auc"])
        trainer.fit(
            toy.images(), epochs, 16, validation_data=toy.images(16),
            callbacks=callbacks, resume=resume, verbose=False,
        )  # fmt: skip
        log = (tmp_path / "log.csv").read_text().splitlines()
        rows = [line.rpartition(",")[0] for line in log]
        return toy.weights(trainer), trainer.history.history, rows

    straight = run(4)
    run(2, folder=tmp_path / "c")
    # From an epoch's end, and from the middle of it.
    assert run(4, True, tmp_path / "c") == straight
    run(2, folder=tmp_path / "d")
    (tmp_path / "d" / CHECKPOINT_NAME).unlink()
    inside = load_tree(tmp_path / "d" / "checkpoint-1.safetensors")
    assert inside["loader"]["position"] == 4
    assert run(4, True, tmp_path / "d") == straight
