"""The scripts run, tilewright alone and a few steps each."""

from __future__ import annotations

import argparse
import importlib.util
from importlib.metadata import distribution

import numpy as np
import pytest
from comparison_helpers import report

import footprint
import mnist_epoch
import perceptron
import scaling
from comparison import entrants, options, turns
from comparison.results import Comparison, Report
from comparison.training import Problem
from tilewright.bench.contestants import Contestant

TINY = ["--steps", "2", "--rounds", "2", "--data", "mnist-sample", "--threads", "1"]


def test_mnist_epoch(tmp_path, capsys):
    path = tmp_path / "figures.json"
    ours = ["--contestants", "tilewright,tilewright-eager", "--batch-sizes", "4,32"]
    assert mnist_epoch.main([*TINY, *ours, "--json", str(path)]) == 0
    assert "tilewright, eager loop" in capsys.readouterr().out
    found = Report.load(path)
    assert [c.batch_size for c in found.comparisons] == [4, 32]
    for comparison in found.comparisons:
        assert comparison.steps == 2 < comparison.epoch_steps
        compiled, eager = comparison.entries
        for entry in (compiled, eager):
            assert entry.failure is None
            assert len(entry.seconds) == 2 and min(entry.seconds) > 0
        assert compiled.mean_loss == pytest.approx(eager.mean_loss, rel=1e-6)
        assert 1.5 < eager.mean_loss < 3


def test_perceptron_and_scaling(tmp_path):
    path = tmp_path / "figures.json"
    eager = ["--contestants", "tilewright-eager", "--json", str(path)]
    assert perceptron.main([*TINY, *eager, "--models", "784-8-10"]) == 0
    assert [c.batch_size for c in Report.load(path).comparisons] == [32, 1]
    assert scaling.main([*TINY, *eager, "--batch-sizes", "2"]) == 0
    assert [c.batch_size for c in Report.load(path).comparisons] == [128, 2]


def test_peers_agree(tmp_path):
    """Each peer that is here computes what we compute."""
    names = {"tilewright-eager": None, "torch-nchw": "torch"}
    names |= {"torch-channels-last": "torch", "jax": "jax", "keras": "keras"}
    here = [n for n, m in names.items() if m is None or not entrants.missing(n)]
    if len(here) == 1:
        pytest.skip("no peer is installed")
    chosen = [e for e in entrants.choose(here, [1]) if not e.contestant.tuned]
    comparison = Comparison("mnist-cnn", 8, 2, 100)
    with turns.workshop("mnist-sample") as shop:
        turns.compare(shop, chosen, comparison, 1, {})
    assert {e.library: e.failure for e in comparison.entries if e.failure} == {}
    assert len(comparison.entries) == len(here)
    assert comparison.difference < 1e-3


def test_a_contestant_that_is_not_there_fails_alone(monkeypatch):
    nobody = entrants.Entrant(Contestant("nowhere"), 1)
    ours = entrants.choose(["tilewright-eager"], [1])
    comparison = Comparison("784-4-10", 8, 2, 100)
    with turns.workshop("mnist-sample") as shop:
        turns.compare(shop, [nobody, *ours], comparison, 1, {})
    failed, timed = comparison.entries
    assert "No module named 'nowhere'" in failed.failure
    assert timed.timed


def test_what_is_not_installed_is_left_out(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jax" else find(name)
    )
    names = ["--contestants", "tilewright-eager,jax", "--models", "784-4-10"]
    assert perceptron.main([*TINY, *names]) == 0
    captured = capsys.readouterr()
    assert "jax is left out: jax not installed" in captured.err
    assert "Left out: jax, jax not installed." in captured.out


def test_unknown_names_and_samples_are_refused():
    with pytest.raises(SystemExit, match="no tensorflow; there are tilewright"):
        mnist_epoch.main(["--contestants", "tensorflow"])
    with pytest.raises(SystemExit, match="not for keeping"):
        mnist_epoch.main([*TINY, "--save"])


def test_save_writes_figures_and_pages(tmp_path, monkeypatch):
    results = tmp_path / "benchmarks" / "results"
    monkeypatch.setattr(options, "RESULTS", results)
    made = report("mnist_epoch")
    asked = argparse.Namespace(json=None, save=True)
    assert options.finish(made, asked) == 0
    folder = results / "amd-epyc-zen-5"
    assert Report.load(folder / "mnist_epoch.json") == made
    assert (folder / "mnist_epoch.md").read_text("utf-8").startswith("# An epoch")
    assert "4.00×" in (results / "summary.md").read_text("utf-8")
    made.comparisons[0].entries[0].failure = "wrong"
    assert options.finish(made, argparse.Namespace(json=None, save=False)) == 1


def test_entrants():
    found = entrants.choose(["tilewright", "jax"], [1, 2])
    assert [(e.contestant.name, e.threads) for e in found] == [
        ("tilewright compile_step", 2),
        ("jax jit", 1),
        ("jax jit tuned", 1),
        ("jax jit", 2),
        ("jax jit tuned", 2),
    ]


def test_batches_are_those_of_the_loader(tmp_path):
    from comparison.tilewright_training import TilewrightTraining

    shop = turns.Workshop(tmp_path, "mnist-sample")
    shop.prepare("784-4-10")
    problem = Problem.load(tmp_path, "784-4-10", 16)
    ours = list(TilewrightTraining(problem, "eager").batches(3))
    theirs = list(problem.batches(3))
    assert len(ours) == len(theirs) == 3
    for (x, y), (other_x, other_y) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)
    assert not np.array_equal(theirs[0][0], problem.x[:16])  # it is shuffled


def test_sizes():
    one = footprint.installed_bytes([distribution("numpy")])
    assert one > 5_000_000
    assert footprint.installed_bytes(footprint.required(["pytest"]).values()) > 0
    assert {"pytest", "pluggy"} <= set(footprint.required(["pytest"]))
    assert footprint.required(["no-such-package-here"]) == {}
    assert footprint.import_seconds("import json", 1) > 0


def test_turns_of_scaling():
    assert [scaling.turn_steps(n, False) for n in (1, 128, 512)] == [4096, 128, 64]
    assert scaling.turn_steps(512, True) == 8
