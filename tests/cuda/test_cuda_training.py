"""Training on a GPU: networks, loaders, trainers, checkpoints, as on the CPU."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tilewright as tw
from tilewright import data, nn, optim
from tilewright.errors import BackendUnavailableError
from tilewright.models.mnist_cnn import mnist_cnn

STEPS, BATCH = 20, 8
DEVICES = ("cpu", "cuda")


def test_the_first_network_learns_as_on_the_cpu(cupy: ModuleType) -> None:
    train, _ = data.mnist_sample()
    train = train.subset(np.arange(STEPS * BATCH))

    def losses(device: str) -> list[float]:
        tw.manual_seed(0)
        model = mnist_cnn()
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        model.to(device)
        found = []
        for x, y in data.DataLoader(train, BATCH, device=device):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    ours, theirs = losses("cuda"), losses("cpu")
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert ours[-1] < ours[0] - 0.1


def rows(samples: int = 48) -> data.ArrayDataset:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, samples)
    x = rng.standard_normal((samples, 8, 8, 1)).astype(np.float32) + y[
        :, None, None, None
    ].astype(np.float32)
    return data.ArrayDataset(x, y)


def small() -> nn.Sequential:
    tw.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.25), nn.Linear(36, 8), nn.GELU(), nn.Linear(8, 3),
    )  # fmt: skip


def trainer(device: str, **options: Any) -> tw.Trainer:
    model = small()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    return tw.Trainer(model, optimizer, device=device, **options)


METRICS = ("accuracy", "f1", "auc", tw.train.metrics.TopKAccuracy(2))


def test_a_trainer_trains_as_on_the_cpu(cupy: ModuleType) -> None:
    histories = {}
    for device in DEVICES:
        made = trainer(device, metrics=METRICS)
        histories[device] = made.fit(
            rows(), 2, 16, validation_data=rows(20), verbose=False
        ).history
        assert made.predict(rows(5).x).shape == (5, 3)
    assert list(histories["cuda"]) == list(histories["cpu"])
    for name, values in histories["cpu"].items():
        assert histories["cuda"][name] == pytest.approx(values, abs=1e-4), name
    assert histories["cuda"]["loss"][1] < histories["cuda"]["loss"][0]


@pytest.mark.parametrize("metrics", [("accuracy",), METRICS])
def test_steps_do_not_wait_for_the_gpu(world: Any, metrics: Any) -> None:
    class Waits(tw.train.Callback):
        def on_batch_end(self, run: Any) -> None:
            found.append(world.synchronizations)

    found: list[int] = []
    made = trainer("cuda", metrics=metrics)
    history = made.fit(rows(96), 1, 4, callbacks=[Waits()], verbose=False)
    assert len(found) == 24 and found[0] == found[-1] < world.synchronizations
    assert np.isfinite(history.history["loss"][0])


def test_what_was_asked_for_is_waited_for(cupy: Any) -> None:
    class Losses(tw.train.Callback):
        def on_batch_end(self, run: Any) -> None:
            assert isinstance(run.loss, float) and run.means.means()["loss"] > 0

    trainer("cuda").fit(rows(12), 1, 4, callbacks=[Losses()], verbose=False)


def test_dropout_drops_the_same_elements(cupy: ModuleType) -> None:
    found = []
    for device in DEVICES:
        tw.manual_seed(7)
        x = tw.tensor(np.ones((5, 33), np.float32), device=device, requires_grad=True)
        y = nn.functional.dropout(x, 0.3)
        y.sum().backward()
        assert x.grad is not None
        found.append([t.to("cpu").numpy() for t in (y.detach(), x.grad)])
    for host, device_ in zip(*found, strict=True):
        assert host.tobytes() == device_.tobytes()
    assert 0 < (found[0][0] == 0).mean() < 0.6


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_those_of_the_cpu(cupy: Any, shuffle: bool) -> None:
    dataset = rows(23)
    host, away = (
        data.DataLoader(dataset, 4, shuffle=shuffle, seed=3, device=device)
        for device in ("cpu", "cuda")
    )
    for _ in range(2):
        # All are kept: none may be overwritten by a later one.
        batches = list(away)
        assert [type(x) for x, _ in batches] == [cupy.ndarray] * 6
        for (x, y), (dx, dy) in zip(host, batches, strict=True):
            assert np.array_equal(x, dx.get()) and np.array_equal(y, dy.get())
    assert (host.epoch, host.position) == (away.epoch, away.position)


def test_copies_are_made_ahead_on_a_stream_of_their_own(cupy: Any, world: Any) -> None:
    started: list[int] = []
    real_set = cupy.ndarray.set

    def noting(self: Any, host: Any, stream: Any = None) -> None:
        assert world.is_pinned(host) and stream.ptr != 0
        started.append(len(host))
        real_set(self, host, stream)

    cupy.ndarray.set = noting
    try:
        loader = data.DataLoader(rows(24), 4, device="cuda")
        for seen, (x, _) in enumerate(loader, 1):
            # Two arrays a batch, and one batch ahead but at the end.
            assert len(started) == 2 * min(seen + 1, 6)
            assert float(x.sum().get()) == pytest.approx(
                float(rows(24).x[4 * seen - 4 : 4 * seen].sum()), abs=1e-3
            )
    finally:
        cupy.ndarray.set = real_set


def test_a_loop_may_be_left_with_a_copy_under_way(cupy: Any) -> None:
    loader = data.DataLoader(rows(24), 4, shuffle=True, device="cuda")
    for x, _ in loader:
        first = x.get()
        break
    again = next(iter(data.DataLoader(rows(24), 4, True, seed=loader.seed)))[0]
    assert np.array_equal(first, again) and loader.position == 1


@pytest.mark.parametrize("there", DEVICES)
@pytest.mark.parametrize("back", DEVICES)
def test_checkpoints_go_from_device_to_device(
    cupy: ModuleType, tmp_path: Path, there: str, back: str
) -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors files")
    callbacks = [tw.train.MovingAverage(0.5), tw.train.EarlyStopping("loss", 9)]
    first = trainer(there, metrics=METRICS)
    first.fit(rows(), 2, 16, checkpoint_dir=tmp_path, verbose=False)
    second = trainer(back, metrics=METRICS)
    second.fit(rows(), 2, 16, checkpoint_dir=tmp_path, resume=True, verbose=False)
    saved, loaded = first.model.state_dict(), second.model.state_dict()
    assert all(type(a) is np.ndarray for a in saved.values())
    assert {n: a.tobytes() for n, a in saved.items()} == {
        n: a.tobytes() for n, a in loaded.items()
    }
    second.fit(rows(), 3, 16, checkpoint_dir=tmp_path, resume=True, verbose=False)
    whole = trainer(there, metrics=METRICS).fit(rows(), 3, 16, verbose=False)
    got = second.history.history["loss"]
    assert got == pytest.approx(whole.history["loss"], abs=1e-4)
    if there == back:
        assert got == whole.history["loss"]
    averaged = trainer(there)
    averaged.fit(rows(), 1, 16, callbacks=callbacks, verbose=False)


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "nesterov": lambda p: optim.Nesterov(p, lr=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_model_may_be_moved_between_steps(cupy: ModuleType, name: str) -> None:
    x, y = rows(12).x, rows(12).y
    found = []
    for moves in (False, True):
        model = small().eval()
        optimizer = OPTIMIZERS[name](model.parameters())
        parameters = list(model.parameters())
        for step, device in enumerate(["cpu", "cuda", "cpu", "cuda"]):
            model.to(device if moves else "cpu")
            here = parameters[0].device
            batch = tw.tensor(x, device=here), tw.tensor(y, device=here)
            loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(parameters, 1.0 if step % 2 else 0.5)
            optim.clip_grad_norm_(parameters, 1.0, float("inf"))
            optim.clip_grad_value_(parameters, 0.2)
            optimizer.step()
        assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
        found.append([*model.state_dict().values(), state["state"]])
    *host, kept = found[0]
    *moved, kept_moved = found[1]
    for a, b in zip(host, moved, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)
    assert kept.keys() == kept_moved.keys()


def test_callbacks_at_the_gradients(cupy: ModuleType) -> None:
    histories = []
    for device in DEVICES:
        made = trainer(device)
        callbacks = [
            tw.train.GradientAccumulation(2),
            tw.train.GradientClipping(norm=0.5, value=0.1),
            tw.train.StopOnNaN(),
            tw.train.MovingAverage(0.9),
        ]
        histories.append(
            made.fit(rows(), 2, 8, rows(9), callbacks=callbacks, verbose=False).history
        )
    assert histories[0]["loss"] == pytest.approx(histories[1]["loss"], abs=1e-4)
    assert histories[0]["val_loss"] == pytest.approx(histories[1]["val_loss"], abs=1e-4)
    bad = trainer("cuda")
    with tw.no_grad():
        list(bad.model.parameters())[-1][0] = float("inf")
    history = bad.fit(rows(), 1, 8, callbacks=[tw.train.StopOnNaN()], verbose=False)
    assert "bias of layer '7' (Linear) is not finite" in str(history.stopped)


class Two(nn.Module):
    """Two inputs, two outputs."""

    def __init__(self) -> None:
        self.a, self.b = nn.Linear(4, 6), nn.Linear(3, 6)
        self.kind, self.number = nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x: Any) -> Any:
        a, b = x
        h = nn.functional.relu(self.a(a) + self.b(b))
        return self.kind(h), self.number(h)


def both(outputs: Any, targets: Any) -> Any:
    kind = nn.functional.cross_entropy(outputs[0], targets[0])
    return kind + nn.functional.mse_loss(outputs[1], targets[1]), kind


def kind_loss(outputs: Any, targets: Any) -> float:
    assert all(type(array) is np.ndarray for array in (*outputs, *targets))
    return float(outputs[2])


@pytest.mark.parametrize("stream", [True, False])
def test_several_inputs_and_targets(cupy: Any, stream: bool) -> None:
    rng = np.random.default_rng(0)
    a, b, numbers = (rng.random((24, n), np.float32) for n in (4, 3, 2))
    kinds = rng.integers(0, 3, 24)
    batches = [
        ((a[i : i + 8], b[i : i + 8]), (kinds[i : i + 8], numbers[i : i + 8]))
        for i in range(0, 24, 8)
    ]

    class Several(data.ArrayDataset):
        arrays = (a, b, kinds, numbers)

        def batch(self, arrays: Any, rows: Any, seed: int, epoch: int) -> Any:
            return arrays[:2], arrays[2:]

    histories = []
    for device in DEVICES:
        tw.manual_seed(0)
        model = Two()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        made = tw.Trainer(model, optimizer, both, [kind_loss], device=device)
        given: Any = data.BatchStream(batches)
        if not stream:
            given = data.DataLoader(Several(a, kinds), 8, shuffle=True, seed=0)
            ((x, _), (_, y)), *_ = data.DataLoader(
                given.dataset, 8, shuffle=True, device=device
            )
            assert type(x) is type(y) is (cupy.ndarray if device == "cuda" else type(a))
        histories.append(made.fit(given, 2, verbose=False).history)
    for name in ("loss", "kind_loss"):
        assert histories[0][name] == pytest.approx(histories[1][name], abs=1e-5)


def test_scikit_learn_on_a_gpu(cupy: ModuleType) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    from tilewright.interop.sklearn import NeuralClassifier

    dataset = rows(60)
    X, y = dataset.x.reshape(60, -1), dataset.y
    found = []
    for device in (None, "cuda"):
        model = NeuralClassifier(
            hidden=(8,), epochs=5, lr=0.01, random_state=0, device=device
        )
        found.append(model.fit(X, y).predict_proba(X))
    assert model.get_params()["device"] == "cuda"
    assert next(model.network_.parameters()).device == "cuda:0"
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from tilewright.kernels import dispatch

    monkeypatch.setitem(dispatch._reasons, "cuda", "no GPU was found")
    monkeypatch.delitem(dispatch._loaded, "cuda", raising=False)
    model = small()
    assert not tw.cuda.is_available() and tw.cuda.device_count() == 0
    optimizer = optim.SGD(model.parameters())
    for use in (
        lambda: model.to("cuda"),
        lambda: tw.tensor([1.0]).to("cuda:0"),
        lambda: tw.tensor([1.0], device="cuda"),
        lambda: tw.Trainer(model, optimizer, device="cuda"),
        lambda: data.DataLoader(rows(), device="cuda"),
        lambda: tw.cuda.synchronize(),
    ):
        with pytest.raises(BackendUnavailableError, match="not available: .*no GPU"):
            use()
    for name in ("cuda:", "cuda:x", "gpu", "cpu:0"):
        with pytest.raises(
            ValueError, match="device must be 'cpu', 'cuda' or 'cuda:N'"
        ):
            model.to(name)
    with pytest.raises(ValueError, match="device must be"):
        data.DataLoader(rows(), device="tpu")
