"""The pages of the site are true: their examples run and print what they say."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tilewright import data, interop, keras, models, nn, optim, train

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.md")
    if "```python" in page.read_text(encoding="utf-8")
)
NEEDS = {
    "how-to/own-images.md": ["PIL"],
    "how-to/tables.md": ["pandas", "sklearn"],
    "how-to/resume.md": ["safetensors"],
    "how-to/gpu.md": ["safetensors"],
    "how-to/pictures.md": ["matplotlib"],
    "how-to/datasets.md": ["pooch"],
    "how-to/models.md": ["onnx", "onnxruntime", "torch", "h5py", "safetensors"],
    "how-to/scikit-learn.md": ["sklearn"],
    "how-to/arrays.md": ["torch"],
    "tutorial.md": ["sklearn", "matplotlib", "safetensors"],
}
# Printed between the outputs of a page's blocks.
MARK = "=====8<====="


def blocks(page: str) -> tuple[list[str], dict[int, str]]:
    """Programs of a page in order, and what some of them are said to print."""
    programs: list[str] = []
    said: dict[int, str] = {}
    for kind, text in FENCE.findall((DOCS / page).read_text(encoding="utf-8")):
        if kind == "python":
            programs.append(text)
        else:
            said[len(programs) - 1] = text
    return programs, said


def test_pages_with_examples_are_found() -> None:
    assert {"tutorial.md", "index.md", "coming-from-pytorch.md"} <= set(PAGES)
    assert len([page for page in PAGES if page.startswith("how-to/")]) >= 9


@pytest.mark.parametrize("page", PAGES)
def test_examples(page: str, tmp_path: Path) -> None:
    for name in NEEDS.get(page, []):
        pytest.importorskip(name, reason=f"the page uses {name}")
    if page == "tutorial.md" and data.mnist_folder() is None:
        pytest.skip("all of MNIST is not on this machine")
    programs, said = blocks(page)
    program = f"\nprint({MARK!r}, flush=True)\n".join(programs)
    result = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    printed = result.stdout.split(f"{MARK}\n")
    assert len(printed) == len(programs)
    for number, text in said.items():
        assert printed[number] == text, programs[number]


@pytest.mark.parametrize(
    ("page", "package"),
    [
        ("nn", nn),
        ("functional", nn.functional),
        ("optim", optim),
        ("optim", optim.lr_scheduler),
        ("data", data),
        ("augmentation", data.augmentation),
        ("train", train),
        ("pictures", train.pictures),
        ("models", models),
        ("interop", interop.onnx),
        ("keras", keras.models),
        ("keras", keras.layers),
        ("keras", keras.callbacks),
    ],
)
def test_reference_has_every_public_name(page: str, package: object) -> None:
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    shown = {line.rpartition(".")[2] for line in text.splitlines() if ":::" in line}
    # In the pages of the whole package and of augmentation.
    elsewhere = {"load", "save", "Augmentation"}
    missing = [
        name
        for name in package.__all__  # type: ignore[attr-defined]
        if callable(value := getattr(package, name))
        and not inspect.ismodule(value)
        and getattr(value, "__module__", "").startswith("tilewright.")
        and getattr(value, "__name__", name) == name  # or another name of the same
        and name not in shown | elsewhere
    ]
    assert missing == []


def test_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra 'docs'")
    pytest.importorskip("mkdocstrings", reason="needs the extra 'docs'")
    pytest.importorskip("material", reason="needs the extra 'docs'")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "site" / "reference" / "nn" / "index.html").read_text("utf-8")
    assert "kernel_size" in page and "Two-dimensional convolution" in page
