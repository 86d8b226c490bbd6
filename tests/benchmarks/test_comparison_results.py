"""Statistics, the check of the losses, and the JSON form."""

from __future__ import annotations

import json

import pytest
from comparison_helpers import comparison, entry, report

from comparison.results import Comparison, Entry, Report, check_losses


def checked(*curves: list[float]) -> list[Entry]:
    entries = [Entry("torch", str(i), False, 1) for i in range(len(curves))]
    check_losses(zip(entries, curves, strict=True))
    return entries


def test_statistics_of_turns():
    turns = entry("jax jit", [3.0, 1.0, 2.5, 9.0])
    assert (turns.minimum, turns.median) == (1.0, 2.75)
    assert turns.timed
    turns.failure = "it broke"
    assert not turns.timed


def test_ratios_are_by_the_median_and_of_the_best_peer():
    found = comparison()
    assert found.ours is found.entries[0]
    installed, tuned = (found.best_peer(tuned=state) for state in (False, True))
    assert (installed.library, installed.tuned) == ("torch", False)
    assert (tuned.library, tuned.tuned) == ("torch", True)
    assert found.ratio(installed) == 4.0
    assert found.ratio(tuned) == 2.5


def test_a_failure_is_neither_ours_nor_the_best():
    found = comparison()
    found.entries[0].failure = "wrong"
    assert found.ours is found.entries[1]
    found.entries[3].failure = "wrong"
    assert found.best_peer(tuned=True).library == "jax"
    found.entries = found.entries[:1]
    assert found.ours is None and found.best_peer(tuned=True) is None
    assert found.ratio(found.entries[0]) is None


def test_a_part_of_an_epoch_is_extrapolated():
    assert Comparison("mnist-cnn", 32, 300, 1875).epoch_seconds(2.0) == 12.5


def test_equal_losses_pass():
    entries = checked([2.3, 1.0], [2.3, 1.0 + 5e-4], [2.3, 1.0])
    assert [e.failure for e in entries] == [None] * 3
    assert entries[0].difference == 0.0
    assert entries[1].difference == pytest.approx(5e-4)


@pytest.mark.parametrize("wrong", [1.003, float("nan"), float("inf"), 0.5])
def test_a_wrong_loss_is_caught_and_nobody_else(wrong):
    right = [2.3, 1.2, 1.0]
    entries = checked(right, right, [2.3, 1.2, wrong], right)
    assert [e.failure is not None for e in entries] == [False, False, True, False]
    assert "its loss in step 3 is" in entries[2].failure


def test_two_that_disagree_both_fail():
    assert all(e.failure for e in checked([2.0], [2.1]))


def test_nothing_to_check():
    assert checked() == []


def test_json_and_back(tmp_path):
    before = report("mnist_epoch", left_out={"keras": "keras not installed"})
    before.comparisons[0].entries[1].failure = "it broke"
    before.save(tmp_path / "deep" / "file.json")
    assert Report.load(tmp_path / "deep" / "file.json") == before
    assert before.broken
    assert not report("mnist_epoch").broken


@pytest.mark.parametrize("document", [{"schema": "another"}, [1], {}])
def test_other_files_are_refused(tmp_path, document):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="not a file of 'tilewright benchmarks 1'"):
        Report.load(path)
