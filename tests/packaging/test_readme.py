"""README.md is true: its examples run and its commands are those of CI."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_examples_run_in_order(tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="needs the extra 'train'")
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    accuracy = re.search(r"'accuracy': ([\d.]+)", result.stdout)
    assert accuracy is not None, result.stdout
    assert float(accuracy[1]) > 0.9
    assert (tmp_path / "digits.safetensors").stat().st_size > 300_000


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def test_tables_are_those_of_the_results() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "tools/update_readme.py", "--check"]
    )
    assert result.returncode == 0, "run: python tools/update_readme.py"


def test_version_is_one() -> None:
    import tilewright

    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{tilewright.__version__}"\n' in pyproject
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {tilewright.__version__} " in changelog
