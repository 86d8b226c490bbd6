import json
import math

import pytest

from tilewright.train import History


def two_epochs():
    history = History()
    history.append({"loss": 0.5, "accuracy": 0.8}, 2.0)
    history.append({"loss": 0.4, "accuracy": 0.9, "val_loss": 0.45}, 1.5)
    return history


def test_each_list_has_one_value_an_epoch():
    history = two_epochs()
    assert history.epochs == 2 and history.seconds == [2.0, 1.5]
    assert history.history["loss"] == [0.5, 0.4]
    assert math.isnan(history.history["val_loss"][0])
    assert history.history["val_loss"][1] == 0.45
    history.append({"loss": 0.3}, 1.0)
    assert {len(column) for column in history.history.values()} == {3}


def test_json_holds_it_all(tmp_path):
    history = two_epochs()
    history.interrupted = True
    history.save(tmp_path / "h.json")
    again = History()
    again.load_state_dict(json.loads((tmp_path / "h.json").read_text()))
    assert again.interrupted and again.seconds == history.seconds
    assert repr(again) == repr(history)
    assert again.history["accuracy"] == [0.8, 0.9]


def test_plot(tmp_path):
    pytest.importorskip("matplotlib", reason="plots need Matplotlib")
    figure = two_epochs().plot(tmp_path / "h.png")
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    loss, accuracy = figure.axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert list(loss.lines[0].get_ydata()) == [0.5, 0.4]


def test_nothing_to_plot():
    with pytest.raises(ValueError, match="no complete epoch"):
        History().plot()
