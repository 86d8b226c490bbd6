"""A run that was stopped and resumed gives the same bits as one that was not."""

import signal

import pytest
import toy

import tilewright as tw
from tilewright.data import mnist_sample
from tilewright.models import mnist_cnn
from tilewright.nn import functional
from tilewright.train import CHECKPOINT_NAME

pytest.importorskip("safetensors", reason="checkpoints need safetensors")


def assert_same_run(one, other):
    assert toy.weights(one) == toy.weights(other)
    assert one.history.history == other.history.history
    assert one.history.epochs == other.history.epochs
    assert tw.random.get_state() is not None


def test_mnist_two_epochs_and_two_more(tmp_path):
    sample, test = (part.subset(range(256)) for part in mnist_sample())

    def trainer(seed):
        tw.manual_seed(seed)
        model = mnist_cnn()
        return tw.Trainer(model, tw.optim.Adam(model.parameters(), lr=1e-3))

    def fit(trainer, epochs, **options):
        trainer.fit(sample, epochs, 32, validation_data=test, verbose=False, **options)

    straight = trainer(0)
    fit(straight, 4)
    fit(trainer(0), 2, checkpoint_dir=tmp_path)
    # Another seed: whatever counts has to come from the checkpoint.
    resumed = trainer(1)
    fit(resumed, 4, checkpoint_dir=tmp_path, resume=True)
    assert_same_run(resumed, straight)
    assert resumed.history.epochs == 4


def test_dropout_goes_on_with_its_random_numbers(tmp_path):
    options = {"batch_size": 16, "verbose": False}
    straight = toy.trainer(dropout=0.5)
    straight.fit(toy.images(), 4, **options)
    state = tw.random.get_state()
    toy.trainer(dropout=0.5).fit(toy.images(), 2, checkpoint_dir=tmp_path, **options)
    resumed = toy.trainer(seed=5, dropout=0.5)
    resumed.fit(toy.images(), 4, checkpoint_dir=tmp_path, resume=True, **options)
    assert_same_run(resumed, straight)
    assert tw.random.get_state() == state


@pytest.mark.parametrize("steps", [1, 5, 6, 7, 12])
def test_interrupted_run_goes_on_where_it_was(tmp_path, steps):
    # 96 images in batches of 16: six steps an epoch.
    options = {"batch_size": 16, "validation_data": toy.images(16), "verbose": False}
    straight = toy.trainer(dropout=0.3)
    straight.fit(toy.images(), 3, **options)

    first = toy.trainer(dropout=0.3)
    done = []

    def interrupted(outputs, targets):
        if first.model.training:
            done.append(1)
            if len(done) == steps:
                signal.raise_signal(signal.SIGINT)
        return functional.cross_entropy(outputs, targets)

    stopped = tw.Trainer(first.model, first.optimizer, interrupted)
    history = stopped.fit(toy.images(), 3, checkpoint_dir=tmp_path, **options)
    assert history.interrupted and len(done) == steps
    assert history.epochs == steps // 6

    resumed = toy.trainer(seed=5, dropout=0.3)
    again = resumed.fit(
        toy.images(), 3, checkpoint_dir=tmp_path, resume=True, **options
    )
    assert not again.interrupted
    assert_same_run(resumed, straight)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=CHECKPOINT_NAME):
        toy.trainer().fit(toy.images(), checkpoint_dir=tmp_path, resume=True)
    toy.trainer().fit(toy.images(), checkpoint_dir=tmp_path, verbose=False)
    with pytest.raises(ValueError, match="of 96 samples but the data set has 50"):
        toy.trainer().fit(toy.images(50), 2, checkpoint_dir=tmp_path, resume=True)
    other = mnist_cnn()
    trainer = tw.Trainer(other, tw.optim.Adam(other.parameters()))
    with pytest.raises(Exception, match=r"0\.weight|weight"):
        trainer.fit(toy.images(), 2, checkpoint_dir=tmp_path, resume=True)


def test_finished_run_has_nothing_left_to_do(tmp_path):
    trainer = toy.trainer()
    trainer.fit(toy.images(), 2, checkpoint_dir=tmp_path, verbose=False)
    before = toy.weights(trainer)
    history = trainer.fit(
        toy.images(), 2, checkpoint_dir=tmp_path, resume=True, verbose=False
    )
    assert history.epochs == 2 and toy.weights(trainer) == before
