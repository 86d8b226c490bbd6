import io
import re
import sys

import pytest
import toy

from tilewright.train.callbacks.progress import (
    LiveDisplay,
    PlainDisplay,
    Snapshot,
    make_display,
)


def snapshot(batch=30, seconds=75.0):
    return Snapshot(
        2, 5, batch, 60, {"loss": 0.25, "accuracy": 0.9375}, 8123.4, seconds
    )


def terminal(monkeypatch):
    output = io.StringIO()
    output.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("TERM", "xterm")
    return output


def test_plain_lines(capsys):
    toy.trainer().fit(toy.images(), 2, batch_size=16, validation_data=toy.images(8))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    number = r"\d+\.\d{4}"
    assert re.fullmatch(
        rf"epoch 2/2  loss {number}  accuracy {number}  val_loss {number}  "
        rf"val_accuracy {number}  [\d,]+ images/s  \d+\.\d s",
        lines[1],
    )


def test_silence(capsys):
    toy.trainer().fit(toy.images(), verbose=False)
    assert capsys.readouterr() == ("", "")


def test_plain_line_within_a_long_epoch(capsys):
    PlainDisplay().batch(snapshot())
    assert capsys.readouterr().out == (
        "epoch 2/5  30/60  loss 0.2500  accuracy 0.9375  8,123 images/s  1:15 left\n"
    )


def test_live_line(monkeypatch):
    rich = pytest.importorskip("rich.console", reason="the live line needs Rich")
    output = terminal(monkeypatch)
    live = LiveDisplay(rich.Console(file=output, force_terminal=True, width=120))
    live.batch(snapshot())
    shown = output.getvalue()
    for part in ("epoch 2/5", "loss 0.2500", "accuracy 0.9375", "8,123 images/s"):
        assert part in shown
    assert "1:15 left" in shown
    live.epoch(snapshot(60, 9.5))
    live.close()
    assert "epoch 2/5  loss 0.2500  accuracy 0.9375  8,123 images/s  9.5 s" in (
        output.getvalue()
    )


def test_live_line_is_redrawn_at_most_ten_times_a_second(monkeypatch):
    pytest.importorskip("rich", reason="the live line needs Rich")
    terminal(monkeypatch)
    drawn = []
    draw = LiveDisplay.batch
    monkeypatch.setattr(
        LiveDisplay, "batch", lambda self, s: (drawn.append(s), draw(self, s))
    )
    history = toy.trainer().fit(toy.images(), 10, batch_size=4)
    assert 1 <= len(drawn) <= 1 + sum(history.seconds) / 0.1
    assert all(0 < s.batch <= s.batches == 24 and s.seconds >= 0 for s in drawn)


def test_kind_follows_the_output(monkeypatch):
    assert isinstance(make_display(), PlainDisplay)
    terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_display(), PlainDisplay)


def test_terminal_without_rich_still_trains(monkeypatch):
    output = terminal(monkeypatch)
    for name in [n for n in sys.modules if n.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    toy.trainer().fit(toy.images(), 1)
    assert output.getvalue().startswith("epoch 1/1  loss ")
