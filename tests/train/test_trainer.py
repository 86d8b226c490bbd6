import numpy as np
import pytest
import toy

import tilewright as tw
from tilewright import nn, optim
from tilewright.data import ArrayDataset, DataLoader


def fit(trainer, *arguments, **options):
    return trainer.fit(*arguments, verbose=False, **options)


def test_learns_and_keeps_a_history():
    trainer = toy.trainer()
    history = fit(
        trainer,
        toy.images(),
        epochs=8,
        batch_size=16,
        validation_data=toy.images(40, seed=1),
    )
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epochs == 8 and not history.interrupted
    assert history.history["loss"][-1] < 0.2 * history.history["loss"][0]
    assert history.history["val_accuracy"][-1] > 0.95
    assert trainer.history is history
    scores = trainer.evaluate(toy.images(40, seed=1))
    assert scores["loss"] == history.history["val_loss"][-1]
    assert scores["accuracy"] == history.history["val_accuracy"][-1]


def test_is_the_loop_one_would_write():
    images = toy.images(50)
    trainer = toy.trainer()
    history = fit(trainer, images, epochs=2, batch_size=16)

    tw.manual_seed(0)
    model = toy.network()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for x, y in DataLoader(images, 16, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append((loss.item(), len(y)))
    total = sum(loss * size for loss, size in losses)
    assert history.history["loss"][0] == total / 50


@pytest.mark.parametrize("kind", ["dataset", "pair", "list", "loader"])
def test_kinds_of_data(kind):
    images = toy.images(20)
    data = {
        "dataset": images,
        "pair": (images.x, images.y),
        "list": [images.x, images.y],
        "loader": DataLoader(images, 8, shuffle=True, seed=4),
    }[kind]
    trainer = toy.trainer()
    history = fit(trainer, data, epochs=2, validation_data=data)
    assert history.epochs == 2
    assert set(trainer.evaluate(data)) == {"loss", "accuracy"}


def test_means_count_a_smaller_last_batch_right():
    images = toy.images(50)
    trainer = toy.trainer()
    whole = trainer.evaluate(images, batch_size=50)
    parts = trainer.evaluate(images, batch_size=16)
    assert parts["accuracy"] == whole["accuracy"]
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-6)


def test_predict_returns_the_outputs_of_each_sample():
    images = toy.images(50)
    trainer = toy.trainer(dropout=0.5)
    outputs = trainer.predict(images.x, batch_size=16)
    assert outputs.shape == (50, 4) and outputs.dtype == np.float32
    trainer.model.eval()
    np.testing.assert_allclose(
        outputs, trainer.model(images.x).data, rtol=1e-5, atol=1e-6
    )
    assert trainer.predict(images.x[:0]).shape == (0, 4)


def test_evaluation_leaves_each_module_its_mode():
    trainer = toy.trainer(dropout=0.5)
    trainer.model.train()
    frozen = list(trainer.model.modules())[-2]
    frozen.eval()
    before = [module.training for module in trainer.model.modules()]
    trainer.evaluate(toy.images(8))
    trainer.predict(toy.images(8).x)
    assert [module.training for module in trainer.model.modules()] == before
    assert False in before and True in before


def test_dropout_is_on_in_training_and_off_in_evaluation():
    trainer = toy.trainer(dropout=0.5, lr=0.0 + 1e-30)
    images = toy.images(64)
    first, second = (trainer.evaluate(images)["loss"] for _ in range(2))
    assert first == second
    history = fit(trainer, images, epochs=2, batch_size=64, shuffle=False)
    losses = history.history["loss"]
    assert losses[0] != losses[1] and losses[0] != first


def test_own_loss_and_own_metric():
    def distance(outputs, targets):
        return nn.functional.mse_loss(outputs, targets)

    def worst(outputs, targets):
        return np.abs(outputs - targets).max(axis=1)

    tw.manual_seed(0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3)).astype(np.float32)
    y = x @ rng.standard_normal((3, 2)).astype(np.float32)
    model = nn.Linear(3, 2)
    for loss in (distance, "mse_loss"):
        trainer = tw.Trainer(
            model, optim.Adam(model.parameters(), lr=0.05), loss, [worst]
        )
        history = fit(trainer, (x, y), epochs=10, batch_size=8)
        assert list(history.history) == ["loss", "worst"]
    assert history.history["loss"][-1] < 1e-3


def test_history_stays_after_an_exception():
    trainer = toy.trainer()
    images = toy.images(32)
    calls = []

    def fails_in_the_second_epoch(outputs, targets):
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("out of luck")
        return nn.functional.cross_entropy(outputs, targets)

    trainer = tw.Trainer(trainer.model, trainer.optimizer, fails_in_the_second_epoch)
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(trainer, images, epochs=3, batch_size=16)
    assert trainer.history.epochs == 1


def test_bad_arguments():
    trainer = toy.trainer()
    model, optimizer = trainer.model, trainer.optimizer
    with pytest.raises(ValueError, match="unknown loss 'hinge'; expected one of cross"):
        tw.Trainer(model, optimizer, loss="hinge")
    with pytest.raises(TypeError, match="loss must be a name or a function, got int"):
        tw.Trainer(model, optimizer, loss=3)
    with pytest.raises(ValueError, match="epochs must be >= 1, got 0"):
        fit(trainer, toy.images(8), epochs=0)
    with pytest.raises(ValueError, match="resume=True needs checkpoint_dir"):
        fit(trainer, toy.images(8), resume=True)
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        fit(trainer, toy.images(8), batch_size=0)
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        trainer.predict(toy.images(8).x, batch_size=0)
    with pytest.raises(ValueError, match="x must have a first axis"):
        trainer.predict(3.0)
    with pytest.raises(TypeError, match="fit: data must be an ArrayDataset, .* ndarr"):
        fit(trainer, toy.images(8).x)
    with pytest.raises(ValueError, match="data set is empty"):
        trainer.evaluate(ArrayDataset(np.zeros((0, 8, 8, 1), np.float32), []))
