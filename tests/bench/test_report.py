"""Statistics, JSON, baselines, tables and the picture."""

from __future__ import annotations

import json

import pytest
from bench_helpers import measured, result_of

from tilewright.bench import tables
from tilewright.bench.case import Case
from tilewright.bench.families import select
from tilewright.bench.plot import plot
from tilewright.bench.report import Report, Result, by_group, geometric_mean
from tilewright.bench.roofline import Roofline

ABOUT = {
    "version": "1",
    "python": "3",
    "numpy": "2",
    "platform": "Linux",
    "cpu": "a processor",
    "isa": "avx2",
    "backend": "cpu",
    "threads": 2,
    "date": "today",
}
ROOFLINE = Roofline(1e11, ((32768, 4e11), (8 << 20, 1e11), (512 << 20, 5e10)))


@pytest.fixture
def report() -> Report:
    first, second = select(["gemm"], match="batch 1 (1")[:2]
    results = [
        result_of(first, tilewright=2e-6, torch=6e-6, torch_tuned=3e-6, numpy=8e-6),
        result_of(second, tilewright=1e-3, torch=None, numpy=5e-4),
    ]
    return Report(dict(ABOUT), ROOFLINE, results)


def test_statistics():
    m = measured("torch", 1.0)
    m.add_times([3.0, 1.0, 2.0, 10.0])
    assert (m.minimum, m.median, m.samples) == (1.0, 2.5, 4)
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    assert geometric_mean([]) is None


def test_ratios_are_against_the_best_peer_in_its_best_state(report):
    first, second = report.results
    assert first.ratio(tuned=False) == pytest.approx(3.0)
    assert first.ratio(tuned=True) == pytest.approx(1.5)
    assert first.best_peer(tuned=True).name == "torch tuned"
    assert second.ratio(tuned=True) == pytest.approx(0.5)
    alone = result_of(first.case, tilewright=1.0, torch=None)
    assert alone.ratio(tuned=True) is None
    failed = result_of(first.case, tilewright=None, torch=1.0)
    assert failed.ratio(tuned=True) is None


def test_json_round_trip(report, tmp_path):
    file = tmp_path / "report.json"
    report.save(file)
    document = json.loads(file.read_text())
    assert document["schema"] == "tilewright bench 1"
    assert set(document) == {"schema", "about", "roofline", "results"}
    result = document["results"][0]
    assert set(result) == {"case", "measurements"}
    assert {"family", "name", "group", "parameters", "flops", "bytes"} <= set(
        result["case"]
    )
    assert set(result["measurements"][0]) == {
        *("name", "library", "variant", "tuned", "error"),
        *("minimum", "median", "samples", "failure"),
    }
    again = Report.load(file)
    assert again.to_json() == report.to_json()
    assert Report.from_json({**document, "roofline": None}).roofline is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "tilewright bench 1"}'])
def test_other_files_are_refused(text, tmp_path):
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="other.json: "):
        Report.load(file)


def test_baseline(report):
    case = report.results[0].case
    faster = result_of(case, tilewright=1e-6)
    assert report.speedup(faster) == pytest.approx(2.0)
    other = result_of(select(["adam"], match="mnist")[0], tilewright=1.0)
    assert report.speedup(other) is None
    assert report.differences(report) == []
    now = Report({**ABOUT, "threads": 1, "cpu": "another"})
    assert report.differences(now) == [
        "cpu was a processor, now another",
        "threads was 2, now 1",
    ]


def test_roofline():
    compute = Case("gemm", "", "", {}, flops=1e9, bytes=1000.0, tolerance=0.0)
    assert ROOFLINE.bound_by_flops(compute)
    assert ROOFLINE.bound(compute) == pytest.approx(1e-2)
    memory = Case("adam", "", "", {}, flops=0.0, bytes=float(1 << 30), tolerance=0.0)
    assert not ROOFLINE.bound_by_flops(memory)
    assert ROOFLINE.bound(memory) == pytest.approx((1 << 30) / 5e10)
    assert ROOFLINE.bandwidth(32768) == 4e11 and ROOFLINE.bandwidth(32769) == 1e11
    assert Roofline.from_json(json.loads(json.dumps(ROOFLINE.to_json()))) == ROOFLINE


def test_tables(report):
    text = "\n".join(tables.header(report))
    assert "a processor, avx2, 2 threads" in text
    assert "100 GFLOP/s; copy GB/s: 400 in 32 KiB, 100 in 8 MiB" in text
    (line,) = tables.row(report, report.results[0])
    cells = line[70:].split()
    # 2 * 1024 * 1024 FLOP and 4.2 MB in 2 us: memory bounds it.
    assert cells[:4] == ["2.00", "us", "2.00", "us"]
    assert cells[4:] == [
        "2101",
        "GB/s",
        "2101%",
        *["3.00x", "1.50x", "torch", "tuned", "3.00", "us"],
    ]
    second = tables.row(report, report.results[1], report)
    assert "1.00x" in second[0] and second[1] == "    torch: broken"
    means = tables.summary(report, report)
    assert means[1].split()[-4:] == ["2", "1.22x", "0.87x", "1.00x"]
    assert list(by_group(report.results)) == ["gemm"]


def test_tables_without_extension_and_peers(report):
    bare = Report({**ABOUT, "isa": None, "backend": "numpy"}, None)
    case = report.results[0].case
    bare.results.append(result_of(case, tilewright=2e-6))
    assert "no C++ kernels" in tables.header(bare)[0]
    (line,) = tables.row(bare, bare.results[0])
    assert line.split()[-3:] == ["-", "-", "-"]
    assert "1049 GFLOP/s" in line


def test_plot_writes_a_picture(report, tmp_path):
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed")
    adam = select(["adam"], match="mnist")[0]
    report.results.append(result_of(adam, tilewright=1e-4, torch_tuned=2e-4))
    for name, content in (("all", report), ("none", Report(dict(ABOUT)))):
        file = tmp_path / f"{name}.png"
        plot(content, file)
        assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 5000


def test_ours_is_needed(report):
    with pytest.raises(StopIteration):
        _ = Result(report.results[0].case, []).ours
