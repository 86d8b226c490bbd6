import signal
import threading

import pytest
import toy

import tilewright as tw
from tilewright.nn import functional
from tilewright.train.interrupt import stop_on_interrupt


def interrupted_at(step, times=1):
    base = toy.trainer()
    done = []

    def loss(outputs, targets):
        done.append(1)
        if len(done) == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return functional.cross_entropy(outputs, targets)

    return tw.Trainer(base.model, base.optimizer, loss), done


def test_finishes_the_step_and_keeps_history_and_weights(capsys):
    trainer, done = interrupted_at(8)
    before = toy.weights(trainer)
    history = trainer.fit(toy.images(), 5, batch_size=16)
    assert history.interrupted and trainer.history is history
    assert history.epochs == 1 and len(done) == 8
    assert toy.weights(trainer) != before
    assert capsys.readouterr().out.splitlines()[-1] == (
        "interrupted after 1 full epochs"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # The step under way was done: the weights are those of eight whole steps.
    straight = toy.trainer()
    loader = tw.data.DataLoader(toy.images(), 16, shuffle=True)
    batches = list(loader) + list(loader)
    for x, y in batches[:8]:
        straight.train_batch(x, y)
    assert toy.weights(trainer) == toy.weights(straight)


def test_second_one_ends_at_once(tmp_path):
    pytest.importorskip("safetensors", reason="checkpoints need safetensors")
    trainer, done = interrupted_at(8, times=2)
    history = trainer.fit(
        toy.images(), 5, batch_size=16, checkpoint_dir=tmp_path, verbose=False
    )
    assert history.interrupted and history.epochs == 1
    # The checkpoint is that of the whole epoch, not of a torn step.
    resumed = toy.trainer(seed=1)
    resumed.fit(
        toy.images(), 1, batch_size=16, checkpoint_dir=tmp_path, resume=True,
        verbose=False,
    )  # fmt: skip
    straight = toy.trainer()
    straight.fit(toy.images(), 1, batch_size=16, verbose=False)
    assert toy.weights(resumed) == toy.weights(straight)


def test_programs_own_handler_is_left_alone():
    seen = []
    previous = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with stop_on_interrupt() as stop:
            signal.raise_signal(signal.SIGINT)
        assert seen == [1] and not stop.requested
    finally:
        signal.signal(signal.SIGINT, previous)


def test_trains_in_a_thread():
    trainer = toy.trainer()
    thread = threading.Thread(
        target=trainer.fit, args=(toy.images(32),), kwargs={"verbose": False}
    )
    thread.start()
    thread.join()
    assert trainer.history.epochs == 1
