"""Processes, their protocol, and what the harness makes of their answers."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tilewright import bench
from tilewright.bench import contestants, harness, report
from tilewright.bench.case import Case
from tilewright.bench.contestants import Contestant
from tilewright.bench.families import family, select, shrunk
from tilewright.bench.process import ContestantError, Process

NUMPY = Contestant("numpy")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(NUMPY, 1, tmp_path)
    yield process
    process.close()


def request(case: Case, folder: Path) -> dict[str, object]:
    inputs = family(case.family).inputs(case.parameters, np.random.default_rng(0))
    files = {}
    for name, array in inputs.items():
        files[name] = str(folder / f"{name}.npy")
        np.save(files[name], array)
    return {
        "do": "case",
        "family": case.family,
        "parameters": case.parameters,
        "inputs": files,
        "variant": "",
        "folder": str(folder),
    }


def test_a_process_computes_measures_and_ends(process, small_case, tmp_path):
    assert process.version == np.__version__
    for _ in range(2):
        reply = process.ask(**request(small_case, tmp_path))
        a, b = (np.load(tmp_path / f"{name}.npy") for name in "ab")
        np.testing.assert_allclose(np.load(reply["outputs"][0]), a @ b, rtol=1e-4)
        reply = process.ask(do="measure", seconds=0)
        assert len(reply["seconds"]) == 1 and reply["seconds"][0] > 0
        assert reply["calls"] > 1  # so short a call is not timed alone
        assert process.ask(do="end") == {"done": True}


def test_a_failure_is_told_and_survived(process, small_case, tmp_path):
    broken = request(small_case, tmp_path)
    broken["parameters"] = {}
    with pytest.raises(ContestantError, match="KeyError: "):
        process.ask(**broken)
    assert "outputs" in process.ask(**request(small_case, tmp_path))
    process.ask(do="end")


def test_a_crash_takes_one_case_with_it(process, small_case, tmp_path):
    process.ask(**request(small_case, tmp_path))
    pid = process._process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("this kernel does not list a process's children")
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    with pytest.raises(ContestantError, match="its process ended with signal 9"):
        # Its answer to this request was already on its way.
        process.ask(do="measure", seconds=0)
    assert process.alive()


def test_what_a_library_prints_is_no_answer(tmp_path):
    code = (
        "import os; from tilewright.bench.worker import Channel; c = Channel();"
        "print('noise', flush=True); os.system('echo more noise');"
        "c.send({'version': '1'})"
    )
    process = Process(NUMPY, 1, tmp_path, [sys.executable, "-c", code])
    assert process.version == "1"
    process.close()
    assert "more noise" in (tmp_path / "numpy.log").read_text()


def test_a_process_that_does_not_start_says_why(tmp_path):
    code = "raise SystemExit('no such library here')"
    with pytest.raises(ContestantError, match="ended: no such library here"):
        Process(NUMPY, 1, tmp_path, [sys.executable, "-c", code])
    with pytest.raises(ContestantError, match="No module named 'nowhere'"):
        Process(Contestant("nowhere"), 1, tmp_path)


def test_run_takes_turns_and_reports(small_case):
    pooled = shrunk(select(["pool2d"], match="avg both ResNet")[0])
    seen = []
    found = bench.run(
        [small_case, pooled],
        threads=1,
        peers=("numpy",),
        rounds=3,
        seconds=0,
        started=lambda report: seen.append(len(report.results)),
        finished=lambda report, result: seen.append(result.case.name),
    )
    assert seen == [0, small_case.name, pooled.name]
    for result in found.results:
        names = [m.name for m in result.measurements]
        assert names == ["tilewright", "numpy", "numpy tuned"]
        for m in result.measurements:
            assert m.failure is None and m.error is not None
            assert m.error <= result.case.tolerance
            assert m.samples == 3 and 0 < m.minimum <= m.median
        assert result.ratio(tuned=True) <= result.ratio(tuned=False)
    assert found.about["threads"] == 1
    assert set(found.about["versions"]) == {"tilewright", "numpy"}


def test_a_wrong_result_is_not_timed(small_case, monkeypatch):
    honest = family("gemm")

    def reference(p, given):
        return [output * 1.001 for output in honest.reference(p, given)]

    wrong = dataclasses.replace(honest, reference=reference)
    monkeypatch.setattr(harness, "family", lambda name: wrong)
    found = bench.run([small_case], threads=1, peers=(), rounds=1, seconds=0)
    ours = found.results[0].ours
    assert ours.median is None and ours.samples == 0
    assert ours.failure.startswith("wrong result: relative error 0.001, at most 1e-05")
    assert found.results[0].ratio(tuned=True) is None


def test_a_peer_that_fails_spoils_nothing(small_case, monkeypatch):
    peers = [Contestant("tilewright"), Contestant("nowhere")]
    monkeypatch.setattr(harness, "contestants_of", lambda *_: peers)
    found = bench.run([small_case], threads=1, rounds=1, seconds=0)
    ours, other = found.results[0].measurements
    assert ours.median is not None
    assert "No module named 'nowhere'" in other.failure and other.median is None


def test_every_round_has_another_first(small_case):
    asked = []

    class Recorder:
        def __init__(self, name):
            self.name = name

        def ask(self, do, seconds=0.0):
            asked.append(self.name)
            return {"seconds": [1.0], "calls": 1}

    ready = [
        (Recorder(name), report.Measurement(name, name, "", False)) for name in "abc"
    ]
    with harness.Harness(1, rounds=3) as running:
        running._take_turns(ready)
    assert "".join(asked[:9]) == "abcbcacab"
    assert [m.samples for _, m in ready] == [3, 3, 3]


def test_environments(monkeypatch):
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.setenv(name, "1")
    plain = contestants.environment(Contestant("torch", "nchw"), 3)
    tuned = contestants.environment(Contestant("torch", "nchw", tuned=True), 3)
    for variables in (plain, tuned):
        assert "OPENBLAS_CORETYPE" not in variables
        assert "OPENBLAS_L2_SIZE" not in variables
        assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "3"
        assert variables["TILEWRIGHT_BACKEND"] == "numpy"
    assert not any(name.startswith("MALLOC_") for name in plain)
    assert int(tuned["MALLOC_MMAP_THRESHOLD_"]) > 10**9
    ours = contestants.environment(Contestant("tilewright"), 3)
    assert ours["TILEWRIGHT_NUM_THREADS"] == "3"
    assert ours.get("TILEWRIGHT_BACKEND") == os.environ.get("TILEWRIGHT_BACKEND")


def test_each_peer_runs_in_both_states_and_layouts(monkeypatch):
    monkeypatch.setattr(contestants, "installed", lambda peer: peer != "jax")
    names = [c.name for c in contestants.contestants_of(family("conv2d"))]
    assert names == [
        "tilewright",
        "torch nchw",
        "torch nchw tuned",
        "torch channels_last",
        "torch channels_last tuned",
    ]
    named = contestants.contestants_of(family("conv2d"), ("numpy",))
    assert [c.name for c in named] == ["tilewright", "numpy", "numpy tuned"]
    names = [c.name for c in contestants.contestants_of(family("gemm"))]
    assert "numpy tuned" in names and "torch" in names


def test_peers_that_cannot_take_part(monkeypatch):
    monkeypatch.setattr(contestants, "installed", lambda peer: peer == "numpy")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert contestants.choose_peers(["numpy", "numpy"]) == ("numpy",)
    assert contestants.choose_peers(None) is None
    with pytest.raises(ImportError, match=r"pip install 'tilewright\[peers\]'"):
        contestants.choose_peers(["numpy", "torch"])
    with pytest.raises(ValueError, match="unknown peer 'mxnet' on cpu; expected some"):
        contestants.choose_peers(["mxnet"])


@pytest.mark.parametrize("bad", [{"threads": 0}, {"rounds": 0}])
def test_numbers_below_one(small_case, bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"bench: {name} must be >= 1, got 0"):
        bench.run([small_case], **bad)
