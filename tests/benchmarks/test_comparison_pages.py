"""Tables, the summary, and that those in the repository are fresh."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from comparison_helpers import CPU, comparison, report

from comparison import machine, summary, tables

ROOT = Path(__file__).resolve().parents[2]

CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC 9R14 96-Core Processor

processor\t: 1
model\t\t: 99
"""


def save(results: Path, benchmark: str, **changes: object) -> Path:
    made = report(benchmark, **changes)
    path = results / machine.slug(made.about["cpu"]) / f"{benchmark}.json"
    made.save(path)
    return path


@pytest.mark.parametrize(
    ("family", "model", "name"),
    [
        (25, 0x01, "Zen 3"),
        (25, 0x21, "Zen 3"),
        (25, 0x11, "Zen 4"),
        (25, 0x61, "Zen 4"),
        (25, 0xA0, "Zen 4"),
        (25, 0xFF, None),
        (26, 0x02, "Zen 5"),
        (23, 0x31, "Zen 2"),
        (99, 0, None),
    ],
)
def test_generations(family, model, name):
    assert machine.microarchitecture("AuthenticAMD", family, model) == name


def test_processor_of_cpuinfo():
    cpu = machine.processor(CPUINFO)
    assert (cpu["family"], cpu["model"]) == (25, 17)
    assert machine.title(cpu) == "AMD EPYC 9R14 (Zen 4)"
    assert machine.slug(cpu) == "amd-epyc-9r14-zen-4"
    unknown = machine.processor("")
    assert unknown["family"] is None and machine.slug(unknown)


def test_epoch_table():
    lines = tables.epoch_table(comparison()).splitlines()
    assert len(lines) == 6
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    assert lines[2] == (
        "| tilewright, `compile_step` | 2.00 (1.00) | – | 1.00× | – | 0.2500 |"
    )
    assert lines[4] == (
        "| PyTorch, channels_last | 8.00 (7.00) | 5.00 (5.00) | 4.00× | 2.50× "
        "| 0.2500 |"
    )


def test_failures_and_the_left_out_are_told():
    made = report("mnist_epoch", left_out={"keras": "keras not installed"})
    made.comparisons[0].entries[3].failure = "its loss is wrong"
    page = tables.page(made)
    assert "| PyTorch, channels_last | 8.00 (7.00) | – | 4.00× | – |" in page
    assert "Left out: PyTorch, channels_last tuned: its loss is wrong." in page
    assert "Left out: keras, keras not installed." in page
    assert "none is further than 1e-05" in page
    assert "quick" not in page
    made.settings["quick"] = True
    assert "extrapolated" in tables.page(made)


def test_other_pages():
    steps = tables.page(report("perceptron", comparisons=[comparison(1, "784-128-10")]))
    assert "## 784-128-10 perceptron, batch 1" in steps
    assert "| PyTorch, channels_last | 2 | 125 (143) | 200 (200) |" in steps
    settings = {"thread_comparisons": 1}
    scaled = report(
        "scaling", settings=settings, comparisons=[comparison(), comparison(8)]
    )
    assert "| 2 | 16,000 | 6,400 | 2.50× | 1.00× | 1.00× |" in tables.page(scaled)
    assert "| 8 | 4,000 | 1,600 | 2.50× |" in tables.page(scaled)
    row = {"library": "torch", "import_seconds": 1.9, "installed_bytes": 754e6}
    size = tables.page(report("footprint", comparisons=[], rows=[row]))
    assert "| PyTorch | 1,900 | 754 | – | – |" in size


def test_summary_has_the_best_peers_of_each_processor(tmp_path):
    save(tmp_path, "mnist_epoch")
    other = report("mnist_epoch")
    other.about["cpu"] = {**CPU, "family": 25, "microarchitecture": "Zen 3"}
    other.comparisons[0].entries[3].failure = "wrong"
    other.save(tmp_path / "zen-3" / "mnist_epoch.json")
    save(tmp_path, "perceptron", comparisons=[comparison(32, "784-128-10")])
    text = summary.pages(tmp_path)[tmp_path / "summary.md"]
    assert (
        "| AMD EPYC (Zen 5), batch 32 | 2.00 | 8.00 (PyTorch, channels_last) | 4.00× "
        "| 5.00 (PyTorch, channels_last) | 2.50× |"
    ) in text
    assert "| 6.00 (JAX, `jit`) | 3.00× |" in text
    assert "784-128-10 perceptron, batch 32, AMD EPYC (Zen 5) | 500 | 4.00×" in text


def test_pages_are_written_once_and_then_fresh(tmp_path):
    assert summary.write_all(tmp_path) == []
    path = save(tmp_path, "mnist_epoch")
    assert len(summary.stale(tmp_path)) == 2
    assert len(summary.write_all(tmp_path)) == 2
    assert summary.stale(tmp_path) == [] == summary.write_all(tmp_path)
    page = path.with_suffix(".md")
    page.write_text(page.read_text("utf-8").replace("8.00", "80.0"), "utf-8")
    assert summary.stale(tmp_path) == [page]
    path.unlink()
    assert page in summary.stale(tmp_path)


def test_pages_of_the_repository_are_fresh():
    assert summary.stale(summary.RESULTS) == [], "run: python benchmarks/summary.py"
    check = [sys.executable, str(ROOT / "tools/update_readme.py"), "--check"]
    assert subprocess.run(check).returncode == 0, "run: python tools/update_readme.py"
