"""`tilewright bench --device cuda`: the same cases, by CUDA events, or why not."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import host_cupy
import pretend
import pytest

from tilewright import bench, cli
from tilewright.bench import contestants, gpu, harness
from tilewright.bench.case import Case
from tilewright.bench.families import family, select, shrunk
from tilewright.kernels import conformance, dispatch

pytest.importorskip("typer", reason="the command line needs Typer")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    cupy: ModuleType,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """The command line, whose children have the same GPU as this process."""
    if "simulated" in cupy.__version__:
        extension = request.getfixturevalue("simulator")("_cudasim")
        paths = pretend.for_children(extension, tmp_path)
        monkeypatch.setenv("PYTHONPATH", paths)
        monkeypatch.setitem(sys.modules, "tilewright._cudasim", extension)
        for known in ("_modules", "_loaded"):
            monkeypatch.setattr(dispatch, known, dict(getattr(dispatch, known)))

    def command(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        return int(str(ended.value.code)), *capfd.readouterr()

    return command


def test_cases_are_timed_on_the_gpu(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    code, output, errors = run(
        *("bench", "gemm", "sgd", "--device", "cuda", "--filter", "MNIST CNN"),
        *("--against", "", "--rounds", "1", "--seconds", "0", "--json", str(file)),
    )
    assert code == 0, errors
    report = bench.Report.load(file)
    assert report.device == "cuda" and report.about["precision"] == "fp32"
    assert report.about["gpu"] == gpu.describe()
    assert report.roofline is not None and report.roofline.flops > 0
    assert len(report.results) == 8
    for result in report.results:
        (ours,) = result.measurements
        assert ours.failure is None and ours.samples == 10
    name = report.about["gpu"]["name"]
    assert output.startswith(f"{name}, products at fp32\n")
    assert "times by CUDA events, the L2 cache overwritten before each call" in output
    assert "tuned" not in output and "SIMULATION" not in output


def test_a_wrong_result_is_not_timed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = family("gemm")

    def reference(p: dict, given: dict) -> list:
        return [output * 1.01 for output in honest.reference(p, given)]

    wrong = {**vars(honest), "reference": reference}
    monkeypatch.setattr(harness, "family", lambda name: type(honest)(**wrong))
    words = ("bench", "gemm", "--device", "cuda", "--filter", "logits")
    code, output, _ = run(*words, "--against", "", "--precision", "tf32")
    assert code == 1
    assert "wrong result: relative error 0.0099, at most 0.001 is allowed" in output


def test_a_peer_that_cannot_take_part_says_why(run: Run) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if torch.cuda.is_available():
        pytest.skip("this PyTorch has a GPU")
    words = ("bench", "gemm", "--device", "cuda", "--filter", "logits")
    code, output, _ = run(*words, "--against", "torch", "--rounds", "1")
    assert code == 0
    assert f"torch: RuntimeError: PyTorch {torch.__version__} finds no GPU" in output


def test_selftest_writes_a_report(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = {name: conformance.cases(name)[:2] for name in conformance.FAMILIES}
    monkeypatch.setattr(conformance, "cases", few.__getitem__)
    monkeypatch.setattr(bench, "select", lambda **_: select(["gemm"], match="logits"))
    file = tmp_path / "selftest.json"
    code, output, errors = run("selftest", "--device", "cuda", "--report", str(file))
    assert code == 0, errors
    lines = output.splitlines()
    # Right first, at every precision; then how fast.
    families = [line.split("  ")[0] for line in lines if line.endswith("passed")]
    wanted = ["cuda"] * len(conformance.FAMILIES)
    for precision in ("3xtf32", "tf32", "bf16"):
        wanted += [f"cuda ({precision})"] * 2
    assert families[:-1] == wanted
    count = 2 * len(wanted)
    assert lines[-1] == f"all {count} cases passed"
    document = json.loads(file.read_text())
    assert document["schema"] == "tilewright selftest 1"
    assert document["cases"] == count and document["failures"] == 0
    assert document["about"]["cuda"]["gpus"] != []
    times = bench.Report.from_json(document["times"])
    assert times.about["gpu"]["name"] and times.results[0].ours.median > 0


def test_the_simulator_takes_no_times_of_a_gpu(
    run: Run, cupy: ModuleType, tmp_path: Path
) -> None:
    if "simulated" not in cupy.__version__:
        pytest.skip("is about what happens without a GPU")
    file = tmp_path / "report.json"
    code, output, errors = run(
        *("bench", "--device", "cudasim", "--quick", "--rounds", "1"),
        *("--seconds", "0", "--json", str(file)),
    )
    assert code == 0, output + errors
    first = "SIMULATION of CUDA kernels on the CPU: no times of a GPU"
    assert output.startswith(first + "\n")
    report = bench.Report.load(file)
    assert report.roofline is None and report.machine == first
    expected = [shrunk(case) for case in select(quick=True)]
    assert [result.case for result in report.results] == expected
    assert all(result.ours.failure is None for result in report.results)
    assert all(len(result.measurements) == 1 for result in report.results)


def test_without_a_gpu_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(dispatch._loaded, "cuda", raising=False)
    monkeypatch.setitem(dispatch._reasons, "cuda", "there is no NVIDIA driver here")
    for words in (["bench"], ["selftest"], ["bench", "gemm", "--precision", "tf32"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "--device", "cuda"])
        output, errors = capsys.readouterr()
        assert ended.value.code == 1 and output == ""
        assert errors == (
            "tilewright: backend 'cuda' is not available: there is no NVIDIA driver "
            "here\n"
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "tpu"], "device must be one of cpu, cuda, cudasim, got 'tpu'"),
        (["--precision", "tf32"], "--precision tf32 needs --device cuda"),
        (["--precision", "fp8"], "precision must be one of 'fp32', '3xtf32', 'tf32'"),
    ],
)
def test_wrong_choices(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["bench", *words])
    assert ended.value.code == 1 and message in capsys.readouterr().err


def test_each_call_finds_a_cold_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = host_cupy.module()
    monkeypatch.setattr(gpu, "_WARM_SECONDS", 0)
    asked = stand_in.world.log

    def call() -> None:
        asked.append("run")

    watch = gpu.EventStopwatch(stand_in, call, stand_in.cuda.get_current_stream())
    assert watch._overwritten.nbytes >= 2 * host_cupy.PROPERTIES["l2CacheSize"]
    asked.clear()
    samples = watch.measure(0)
    assert len(samples) == 10 and min(samples) >= 0
    assert asked == ["memset", "record", "run", "record"] * 10 + ["synchronize"]


def test_who_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "installed", lambda peer: True)

    def names(name: str, peers: tuple[str, ...] | None = None) -> list[str]:
        found = contestants.contestants_of(family(name), peers, "cuda", "tf32")
        assert all((c.device, c.precision) == ("cuda", "tf32") for c in found)
        return [c.name for c in found]

    assert names("gemm") == ["tilewright", "cupy", "torch"]
    # CuPy has no convolution: cuDNN comes with PyTorch.
    assert names("conv2d") == ["tilewright", "torch nchw", "torch channels_last"]
    assert names("adam", ("cupy",)) == ["tilewright", "cupy"]
    only = contestants.contestants_of(family("gemm"), None, "cudasim")
    assert [c.name for c in only] == ["tilewright"]
    with pytest.raises(
        ValueError, match="unknown peer 'jax' on cuda; expected some of"
    ):
        bench.choose_peers(["jax"], "cuda")
    with pytest.raises(
        ValueError, match="unknown peer 'torch' on cudasim; expected no"
    ):
        bench.choose_peers(["torch"], "cudasim")


def test_a_missing_peer_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "installed", lambda peer: False)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"pip install 'tilewright\[cuda\]'"):
        bench.choose_peers(["cupy"], "cuda")


@pytest.mark.parametrize(
    ("precision", "tf32"),
    [("fp32", "0"), ("3xtf32", "0"), ("tf32", "1"), ("bf16", "1")],
)
def test_cupy_rounds_as_far_as_was_asked(precision: str, tf32: str) -> None:
    peer = contestants.Contestant("cupy", device="cuda", precision=precision)
    assert contestants.environment(peer, 1)["CUPY_TF32"] == tf32


def test_what_a_precision_may_lose() -> None:
    def at(precision: str, name: str, match: str) -> Case:
        return harness.at_precision(select([name], match=match)[0], precision)

    assert at("fp32", "gemm", "square").tolerance == 1e-5
    assert at("tf32", "gemm", "square").tolerance == 1e-3
    assert at("bf16", "conv2d", "(1, 64, 56 -> 64, 3, 1, 1) forward").tolerance == 1e-2
    assert at("tf32", "conv2d", "pooled_all VGG-16").tolerance == pytest.approx(
        0.0949, 1e-2
    )
    assert at("bf16", "adam", "MNIST").tolerance == 1e-5


def test_peers_functions_are_cupys(cupy: ModuleType) -> None:
    """On a GPU: what is written for NumPy is computed by CuPy, and rightly."""
    if "simulated" in cupy.__version__:
        pytest.skip("the stand-in for CuPy has no arithmetic")
    np = importlib.import_module("numpy")
    for name in ("gemm", "softmax_cross_entropy", "adam", "sgd", "elementwise"):
        cases = family(name)
        for case in map(shrunk, cases.cases()):
            p = case.parameters
            inputs = cases.inputs(p, np.random.default_rng(0))
            expected = cases.reference(p, inputs)
            given = {key: cupy.asarray(value) for key, value in inputs.items()}
            prepared = cases.contestants["cupy"](p, given, "")
            got = cases.sample(p, prepared.outputs(prepared.run()))
            assert harness.relative_error(got, expected) <= case.tolerance, case.name
