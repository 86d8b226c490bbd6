"""Mistakes in the inline assembly alone: the same source cannot see them, PTX does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from simulator import ROOT, Floats, Planted, build, build_ptx, load
from test_fragments import BF16, as_bf16_pairs, fragments, product
from test_hopper import COLUMNS, DEPTH, ROWS, image, pipeline, sums, tile_of

# A header of csrc/cuda/device, what stands there for nvcc, what becomes of it, and
# how often it does. None of a list hides what another does to the kernel of its test.
Mistake = tuple[str, str, str, int]
OPERANDS: list[Mistake] = [
    ("ptx", '"r"(a[1]), "r"(a[2])', '"r"(a[2]), "r"(a[1])', 2),  # of mma.sync
    ("ptx", '"=r"(r[1]), "=r"(r[2])', '"=r"(r[2]), "=r"(r[1])', 2),  # of ldmatrix
    ("ptx", 'group %0;" ::"n"(kPending)', 'group %0;" ::"n"(kPending + 2)', 1),
    # Of wgmma, in this order: descriptors, registers of the sums.
    ("hopper", '"l"(a), "l"(b)', '"l"(b), "l"(a)', 4),
    ("hopper", '"+f"(d[i + 1]), "+f"(d[i + 2])', '"+f"(d[i + 2]), "+f"(d[i + 1])', 1),
    ("hopper", '"r"(depth), "r"(row)', '"r"(row), "r"(depth)', 1),  # of a tile copy
    ("hopper", '"r"(arrivals) : ', '"r"(1) : ', 1),  # of mbarrier.init
    ("hopper", '"r"(number), "r"(threads)', '"r"(threads), "r"(number)', 1),
    ("hopper", "selp.u32 %0, 1, 0, mine", "selp.u32 %0, 0, 1, mine", 1),
]
ORDER: list[Mistake] = [
    ("hopper", '"r"(parity) : ', '"r"(0) : ', 1),  # of mbarrier.try_wait
    ("hopper", "fence.proxy.async.shared::cta;", "membar.cta;", 1),
    ("hopper", "wgmma.fence.sync.aligned;", "membar.cta;", 1),
]


def both_routes(folder: Path, mistakes: list[Mistake]) -> tuple[Planted, Planted]:
    """Build over headers with all the mistakes: the same source, and PTX."""
    headers = folder / "headers"
    for name in sorted({name for name, *_ in mistakes}):
        path = Path("cuda/device", f"{name}.hpp")
        text = (ROOT / "csrc" / path).read_text()
        for right, wrong, count in [one[1:] for one in mistakes if one[0] == name]:
            assert text.count(right) == count, right
            text = text.replace(right, wrong)
        (headers / path).parent.mkdir(parents=True, exist_ok=True)
        (headers / path).write_text(text)
    ptx = build_ptx(folder / "build", "_planted_ptx", headers=headers)
    same = build(folder / "build", "_planted", headers=headers)
    return Planted(load(same, "_planted")), Planted(load(ptx, "_planted_ptx"))


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, Planted]:
    return both_routes(tmp_path_factory.mktemp("mistaken"), OPERANDS)


@pytest.fixture(scope="module")
def unordered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Planted, Planted]:
    return both_routes(tmp_path_factory.mktemp("unordered"), ORDER)


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
    unwaited = "asynchronous copies that nothing waited for"
    with pytest.raises(RuntimeError, match=unwaited):
        ptx.run("copied", source, 64)


def small_integers(*shape: int) -> Floats:
    return np.random.default_rng(1).integers(-9, 10, shape).astype(np.float32)


def product_of_warpgroup(planted: Planted, kind: str) -> tuple[Floats, Floats]:
    """Return a product by wgmma, and what it ought to be."""
    a = small_integers(ROWS, 8 if kind == "tf32" else 16)
    b = small_integers(COLUMNS, 8 if kind == "tf32" else 16)
    stored = [a, b]
    if kind == "bf16":
        stored = [as_bf16_pairs(m.reshape(32, -1)).reshape(len(m), -1) for m in stored]
    memory = np.concatenate([image(m, 128, len(m) * 128) for m in stored])
    got = planted.run(
        f"{kind}_128", memory.view(np.float32), 64 * COLUMNS, threads=128, n=0
    )
    return sums(got.reshape(128, -1)), a @ b.T


@pytest.mark.parametrize("kind", ["tf32", "bf16"])
def test_operands_of_a_warpgroup(mistaken: tuple[Planted, Planted], kind: str) -> None:
    (same, want), (ptx, _) = (product_of_warpgroup(one, kind) for one in mistaken)
    assert np.array_equal(same, want)
    assert not np.array_equal(ptx, want)


def test_coordinates_of_a_tile(mistaken: tuple[Planted, Planted]) -> None:
    matrix = small_integers(24, 40)
    same, ptx = (
        one.run("tile_copied_128", matrix.ravel(), 16 * 32, n=4) for one in mistaken
    )
    assert np.array_equal(same, tile_of(matrix, 5, 4, 128))
    assert np.array_equal(ptx, tile_of(matrix, 4, 5, 128))


def test_arrivals_that_a_barrier_is_made_for(mistaken: tuple[Planted, Planted]) -> None:
    same, ptx = mistaken
    a, b = operands = small_integers(ROWS, DEPTH), small_integers(COLUMNS, DEPTH)
    assert np.array_equal(pipeline(same, operands, "pipeline"), a @ b.T)
    with pytest.raises(RuntimeError, match=r"deadlock|went by unseen"):
        pipeline(ptx, operands, "pipeline")


def test_parity_of_a_wait(unordered: tuple[Planted, Planted]) -> None:
    same, ptx = unordered
    source = np.arange(6, dtype=np.float32)
    assert np.array_equal(same.run("handed_over", source, 6, n=6), source)
    with pytest.raises(RuntimeError, match="deadlock"):
        ptx.run("handed_over", source, 6, n=6)


def test_threads_of_a_barrier(mistaken: tuple[Planted, Planted]) -> None:
    same, ptx = mistaken
    source = np.arange(128, dtype=np.float32)
    assert np.isfinite(same.run("exchanged", source, 128, threads=128)).all()
    with pytest.raises(RuntimeError, match=r"barrier 64 at .*numbers are 1 to 15"):
        ptx.run("exchanged", source, 128, threads=128)


def test_who_is_elected(mistaken: tuple[Planted, Planted]) -> None:
    source = np.ones(32, np.float32)
    same, ptx = (one.run("elected", source, 32, threads=32) for one in mistaken)
    assert (same.sum(), ptx.sum()) == (1, 31)


def test_fences(unordered: tuple[Planted, Planted]) -> None:
    same, ptx = unordered
    matrix = small_integers(24, 40)
    tile = same.run("tile_copied_128", matrix.ravel(), 16 * 32, n=4)
    assert np.array_equal(tile, tile_of(matrix, 5, 4, 128))
    with pytest.raises(RuntimeError, match="its maker did not fence the async proxy"):
        ptx.run("tile_copied_128", matrix.ravel(), 16 * 32, n=4)
    got, want = product_of_warpgroup(same, "tf32")
    assert np.array_equal(got, want)
    with pytest.raises(RuntimeError, match="did not fence for the async proxy"):
        product_of_warpgroup(ptx, "tf32")
    with pytest.raises(RuntimeError, match=r"no wgmma\.fence after sums were used"):
        product_of_warpgroup(ptx, "tf32")
