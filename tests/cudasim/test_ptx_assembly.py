"""Mistakes in the inline assembly alone: the same source cannot see them, PTX does."""

from __future__ import annotations

import numpy as np
import pytest
from simulator import ROOT, Planted, build, build_ptx, load
from test_fragments import BF16, as_bf16_pairs, fragments, product

# What stands in csrc/cuda/device/ptx.hpp for nvcc, what becomes of it, how often.
MISTAKES = [
    ('"r"(a[1]), "r"(a[2])', '"r"(a[2]), "r"(a[1])', 2),  # mma.sync's operands
    ('"=r"(r[1]), "=r"(r[2])', '"=r"(r[2]), "=r"(r[1])', 2),  # ldmatrix's results
    ('wait_group %0;" ::"n"(kPending)', 'wait_group %0;" ::"n"(kPending + 2)', 1),
]


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, Planted]:
    """Both routes over a header with all the mistakes: the same source, and PTX."""
    name = "cuda/device/ptx.hpp"
    text = (ROOT / "csrc" / name).read_text()
    for right, wrong, count in MISTAKES:
        assert text.count(right) == count, right
        text = text.replace(right, wrong)
    folder = tmp_path_factory.mktemp("mistaken")
    header = folder / "headers" / name
    header.parent.mkdir(parents=True)
    header.write_text(text)
    headers = folder / "headers"
    ptx = build_ptx(folder / "build", "_planted_ptx", headers=headers)
    same = build(folder / "build", "_planted", headers=headers)
    return Planted(load(same, "_planted")), Planted(load(ptx, "_planted_ptx"))


@pytest.mark.parametrize(("precision", "depth"), [("tf32", 8), ("bf16", 16)])
def test_operands_of_a_product(
    mistaken: tuple[Planted, Planted], precision: str, depth: int
) -> None:
    same, ptx = mistaken
    rng = np.random.default_rng(1)
    a = rng.integers(-9, 10, (16, depth)).astype(np.float32)
    b = rng.integers(-9, 10, (8, depth)).astype(np.float32)
    name = f"multiply_{precision}"
    assert np.array_equal(product(same, name, a, b), a @ b.T)
    assert not np.array_equal(product(ptx, name, a, b), a @ b.T)


@pytest.mark.parametrize("name", ["load_matrices", "load_matrices_transposed"])
def test_results_of_a_load(mistaken: tuple[Planted, Planted], name: str) -> None:
    same, ptx = mistaken
    a = np.arange(256, dtype=np.float32).reshape(16, 16)
    quarters = [a[i : i + 8, j : j + 8] for j in (0, 8) for i in (0, 8)]
    stored = np.concatenate([q.T if "transposed" in name else q for q in quarters])
    halves = (stored.ravel().view(np.uint32) >> 16).astype(np.uint16)
    expected = as_bf16_pairs(fragments(BF16[0], a)).view(np.uint32).ravel()
    runs = [
        one.run(name, halves.view(np.float32), 128, threads=32).view(np.uint32)
        for one in mistaken
    ]
    assert np.array_equal(runs[0], expected)
    assert not np.array_equal(runs[1], expected)


def test_groups_of_a_wait(mistaken: tuple[Planted, Planted]) -> None:
    same, ptx = mistaken
    source = np.arange(1, 65, dtype=np.float32)
    expected = source[np.arange(64) ^ 33]
    expected[5 ^ 33] = 0
    assert np.array_equal(same.run("copied", source, 64), expected)
    with pytest.raises(RuntimeError, match=r"race: (read|write) of shared memory"):
        ptx.run("copied", source, 64)
