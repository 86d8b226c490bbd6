"""`tilewright bench`, and the probe of the roofline."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tilewright import cli
from tilewright.bench.harness import Harness
from tilewright.bench.report import Report
from tilewright.errors import BackendUnavailableError
from tilewright.kernels import available, available_isas, roofline, use_isa

pytest.importorskip("typer", reason="the command line needs Typer")

FAST = ("--rounds", "1", "--seconds", "0", "--threads", "1", "--against", "numpy")


def run(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        cli.main(("bench", *map(str, words)))
    return ended.value.code, *capsys.readouterr()


def test_a_run_with_all_that_it_writes(capsys, tmp_path):
    first, second, picture = (tmp_path / n for n in ("1.json", "2.json", "1.png"))
    words = ("gemm", "--filter", "logits", *FAST, "--json", first)
    code, output, errors = run(capsys, *words)
    assert (code, errors) == (0, "")
    assert "(32, 10, 64) MNIST CNN logits" in output
    assert "geometric means" in output
    document = json.loads(first.read_text())
    assert document["about"]["threads"] == 1
    names = [m["name"] for m in document["results"][0]["measurements"]]
    assert names == ["tilewright", "numpy", "numpy tuned"]

    document["about"]["cpu"] = "another"
    first.write_text(json.dumps(document))
    words = (*words[:-1], second, "--baseline", first, "--plot", picture)
    code, output, errors = run(capsys, *words)
    assert (code, errors) == (0, "")
    assert "the baseline is of another kind: cpu was another" in output
    assert " before" in output
    assert picture.read_bytes().startswith(b"\x89PNG") and second.exists()


def test_ctrl_c_keeps_what_was_measured(capsys, monkeypatch, tmp_path):
    file = tmp_path / "partial.json"
    honest, saved = Harness.run, []

    def interrupted(self, case):
        saved.append(len(Report.load(file).results) if file.exists() else 0)
        if len(saved) == 3:
            signal.raise_signal(signal.SIGINT)
        return honest(self, case)

    words = ("adam", "sgd", "--filter", "mnist", *FAST)
    with monkeypatch.context() as patch:
        patch.setattr(Harness, "run", interrupted)
        code, output, errors = run(capsys, *words, "--json", file)
    assert (code, errors) == (130, "")
    assert saved == [0, 1, 2]  # a kill would have kept them too
    assert "geometric means" in output
    assert output.splitlines()[-1] == "interrupted after 2 of 3 cases"
    report = Report.load(file)
    assert report.partial and (len(report.results), report.planned) == (2, 3)

    code, output, errors = run(capsys, *words, "--baseline", file)
    assert (code, errors) == (0, "")
    assert "the baseline is of an interrupted run: 2 of 3 cases" in output
    assert "interrupted after" not in output


def test_an_interrupt_before_the_first_result_leaves_the_file(
    capsys, monkeypatch, tmp_path
):
    file = tmp_path / "earlier.json"
    file.write_text("earlier")
    monkeypatch.setattr(Harness, "run", lambda *_: signal.raise_signal(signal.SIGINT))
    code, output, _ = run(capsys, "adam", "--filter", "mnist", *FAST, "--json", file)
    assert code == 130
    assert output.splitlines()[-1] == "interrupted after 0 of 1 cases"
    assert file.read_text() == "earlier"


def test_list(capsys):
    code, output, _ = run(capsys, "adam", "sgd", "--list", "--filter", "mnist")
    assert code == 0
    assert output.splitlines() == [
        "adam: Adam MNIST CNN",
        "sgd: SGD MNIST CNN",
        "sgd: Nesterov MNIST CNN",
    ]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["gem"], 1, "bench: unknown family 'gem'; expected one of gemm, conv2d,"),
        (["gemm", "--filter", "nowhere"], 1, "no case matches 'nowhere'"),
        (["--against", "numpy,mxnet"], 1, "unknown peer 'mxnet'"),
        (["--baseline", "none.json"], 1, "none.json: No such file or directory"),
        (["--json", "nowhere/x.json"], 1, "nowhere: no such folder"),
        (["--threads", "0"], 2, "Invalid value for '--threads'"),
        (["--rounds", "0"], 2, "Invalid value for '--rounds'"),
    ],
)
def test_users_errors_are_one_line(capsys, monkeypatch, tmp_path, words, code, message):
    monkeypatch.chdir(tmp_path)
    ended, output, errors = run(capsys, *words)
    assert (ended, output) == (code, "")
    assert errors.startswith("tilewright: ") and errors.count("\n") == 1
    assert message in errors


@pytest.mark.parametrize(("peer", "extra"), [("torch", "peers"), ("jax", "jax")])
def test_a_peer_that_is_not_installed(capsys, monkeypatch, peer, extra):
    monkeypatch.setattr("tilewright.bench.contestants.installed", lambda _: False)
    monkeypatch.setitem(sys.modules, peer, None)
    code, output, errors = run(capsys, "gemm", "--against", peer)
    assert (code, output) == (1, "")
    assert errors == (
        f"tilewright: this needs the package '{peer}'; install it with: "
        f"pip install 'tilewright[{extra}]'\n"
    )


def test_a_wrong_kernel_ends_with_1(capsys, monkeypatch):
    monkeypatch.setattr("tilewright.bench.harness.relative_error", lambda *_: 1.0)
    code, output, _ = run(capsys, "gemm", "--filter", "logits", *FAST)
    assert code == 1
    assert "    tilewright: wrong result: relative error 1," in output


def test_probe():
    if "cpu" not in available():
        with pytest.raises(BackendUnavailableError):
            roofline.peak_flops(0.001)
        pytest.skip("the extension is not built")
    for isa in available_isas():
        with use_isa(isa):
            assert roofline.peak_flops(0.001) > 1e6
            for streaming in (False, True):
                for size in (1, 5000, 3 << 20):
                    rate = roofline.copy_bandwidth(
                        size, streaming=streaming, seconds=0.001
                    )
                    assert rate > 1e6
    with pytest.raises(ValueError, match="copy_bandwidth: size must be >= 1, got 0"):
        roofline.copy_bandwidth(0)
