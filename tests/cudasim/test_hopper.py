"""Hopper's instructions in the simulator: layouts, and defects that must be caught.

The layouts of wgmma's operands and sums are checked against the ones published with
NVIDIA's CUTLASS (CuTe, include/cute/atom/mma_traits_sm90_gmma.hpp): shapes and strides,
and a swizzle of addresses written as shifts.
"""

from __future__ import annotations

import numpy as np
import pytest
from simulator import ORDERS, Floats, Planted
from test_fragments import as_bf16_pairs

ROWS, COLUMNS, DEPTH = 64, 128, 96


def swizzle(byte: np.ndarray, bits: int) -> np.ndarray:
    """Return ``Swizzle<bits, 4, 3>`` of offsets in bytes."""
    mask = ((1 << bits) - 1) << 7
    return byte ^ (byte & mask) >> 3


def canonical(rows: int, depth_bytes: int, row_bytes: int) -> np.ndarray:
    """Return where the bytes of a tile lie whose depth runs along memory.

    In units of 16 bytes, T: ``Swizzle o ((8, m), (T, 2)) : ((row, SBO), (1, LBO))``.
    """
    row = np.arange(rows)[:, None]
    byte = np.arange(depth_bytes)[None, :]
    if row_bytes == 0:  # interleaved: SBO 256 and LBO 128 bytes here
        return row % 8 * 16 + row // 8 * 256 + byte % 16 + byte // 16 * 128
    bits = {128: 3, 64: 2, 32: 1}[row_bytes]
    return swizzle(row % 8 * row_bytes + row // 8 * 8 * row_bytes + byte, bits)


def image(matrix: Floats, row_bytes: int, size: int) -> np.ndarray:
    """Return shared memory of ``size`` bytes that holds a matrix."""
    memory = np.zeros(size, np.uint8)
    source = np.ascontiguousarray(matrix).view(np.uint8).reshape(len(matrix), -1)
    memory[canonical(len(matrix), source.shape[1], row_bytes)] = source
    return memory


def tile_of(matrix: Floats, row: int, depth: int, span: int) -> Floats:
    """Return shared memory after a tile of 16 rows of (24, 40) was copied."""
    # The 40th column belongs to the pitch alone.
    wide = np.zeros((200, 200), np.float32)
    wide[50 : 50 + 24, 50 : 50 + 39] = matrix[:, :39]
    tile = wide[50 + row :, 50 + depth :][:16, : (span or 64) // 4]
    return image(tile, span, 16 * span).view(np.float32) if span else tile.ravel()


def sums(registers: Floats) -> Floats:
    """Return the matrix of ``[thread, register]``: CuTe's CLayout_64xN."""
    thread, number = np.arange(128)[:, None], np.arange(COLUMNS // 2)[None, :]
    # ((4, 8, 4), (2, 2, N / 8)) : ((128, 1, 16), (64, 8, 512)), rows first.
    place = thread % 4 * 128 + thread // 4 % 8 + thread // 32 * 16
    place = place + number % 2 * 64 + number // 2 % 2 * 8 + number // 4 * 512
    result = np.full(ROWS * COLUMNS, np.nan, np.float32)
    result[place] = registers
    return result.reshape(COLUMNS, ROWS).T


@pytest.mark.parametrize("row_bytes", [128, 64, 32, 0])
@pytest.mark.parametrize("kind", ["tf32", "bf16"])
def test_operands_and_sums_lie_as_cutlass_says(
    planted: Planted, kind: str, row_bytes: int
) -> None:
    rng = np.random.default_rng(1)
    steps = max(row_bytes, 32) // 32
    depth = steps * (8 if kind == "tf32" else 16)
    a = rng.integers(-9, 10, (ROWS, depth)).astype(np.float32)
    b = rng.integers(-9, 10, (COLUMNS, depth)).astype(np.float32)
    stored = [a, b]
    if kind == "bf16":
        stored = [
            as_bf16_pairs(m.reshape(32, -1)).ravel().reshape(len(m), -1) for m in stored
        ]
    memory = np.concatenate([image(m, row_bytes, len(m) * 128) for m in stored]).view(
        np.float32
    )
    for step in range(steps):
        got = planted.run(
            f"{kind}_{row_bytes}", memory, 128 * COLUMNS // 2, threads=128, n=step
        )
        along = slice(step * depth // steps, (step + 1) * depth // steps)
        want = a[:, along] @ b[:, along].T
        assert np.array_equal(sums(got.reshape(128, -1)), want), step


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("first", [0, -5, 20, 60])
@pytest.mark.parametrize("span", [128, 64, 32, 0])
def test_tiles_are_swizzled_and_filled_with_zeros(
    planted_shadow: Planted, span: int, first: int, late: bool
) -> None:
    rng = np.random.default_rng(2)
    matrix = rng.standard_normal((24, 40)).astype(np.float32)
    got = planted_shadow.run(
        f"tile_copied_{span}", matrix.ravel(), 4 * (span or 64), threads=64, n=first,
        late_copies=late,
    )  # fmt: skip
    assert np.array_equal(got, tile_of(matrix, first + 1, first, span))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: 4104}, "data must be aligned to 16 bytes"),
        ({2: 0}, r"extents must be in \[1, 2\*\*32\]"),
        ({4: 404}, "pitch must be a multiple of 16 bytes"),
        ({4: 384}, "rows overlap"),
        ({6: 257}, r"box must be in \[1, 256\]"),
        ({5: 3, 7: 0}, "box rows must be multiples of 16 bytes"),
        ({5: 16}, "box rows must be as long as the swizzle"),
    ],
)
def test_tensor_maps_that_no_driver_makes(
    planted: Planted, change: dict[int, int], message: str
) -> None:
    # Address, bytes of a number, depth, rows, pitch, box of depth and rows, swizzle.
    arguments = [4096, 4, 100, 10, 400, 32, 8, 128]
    planted.module.encode_tensor_map(*arguments)
    for place, value in change.items():
        arguments[place] = value
    with pytest.raises(ValueError, match=message):
        planted.module.encode_tensor_map(*arguments)


@pytest.fixture
def operands() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(3)
    a = rng.integers(-9, 10, (ROWS, DEPTH)).astype(np.float32)
    return a, rng.integers(-9, 10, (COLUMNS, DEPTH)).astype(np.float32)


def pipeline(
    planted: Planted, operands: tuple[Floats, Floats], name: str, **options: object
) -> Floats:
    source = np.concatenate([m.ravel() for m in operands])
    threads = 384 if name == "too_many_registers" else 256
    got = planted.run(name, source, ROWS * COLUMNS, threads=threads, n=DEPTH, **options)  # type: ignore[arg-type]
    return got.reshape(ROWS, COLUMNS)


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("order", ORDERS)
def test_a_right_pipeline(
    planted: Planted,
    planted_shadow: Planted,
    operands: tuple[Floats, Floats],
    order: str,
    late: bool,
) -> None:
    a, b = operands
    for build in planted, planted_shadow:
        got = pipeline(build, operands, "pipeline", order=order, late_copies=late)
        assert np.array_equal(got, a @ b.T)


# What both builds report, in every order of threads.
REPORTED = {
    "no_expected_bytes": r"on its way|not waited for|no arrival expected",
    "too_many_bytes": r"deadlock: .* at planted_hopper\.cu:\d+|for \d+ bytes",
    "wrong_phase": r"product of shared memory .*, (where a copy|which nothing wrote)",
    "no_wait_for_copies": r"product of .*, (where a copy|which nothing wrote)",
    "no_wait_for_empty": r"where another copy (is on|landed)|products of warp \d",
    "no_wait_for_products": r"ends with \d+ products that nothing waited for",
    "early_release": r"tile copy to .* which products of warp \d may read",
    "no_fence_of_products": r"wgmma at .*: no wgmma\.fence after sums were used",
    "sums_touched": r"sums were written while products added to them",
    "different_products": r"warps of one warpgroup give different products",
    "unaligned_tile": r"an operand at \d+ does not begin where its swizzle does",
    "no_proxy_fence_of_barriers": r"its maker did not fence the async proxy",
    "no_block_barrier": r"of what is no mbarrier|whose making nothing put before it",
    "unmade_barrier": r"(wait|arrival) of what is no mbarrier",
    "too_many_arrivals": r"where all 1 have arrived|an mbarrier is left|landed, but",
    "barrier_overwritten": r"of an mbarrier that was overwritten",
    "tile_copies_left": r"ends with 1 tile copies that nothing waited for",
    "too_many_registers": r"the block takes 97280 registers, of 65536",
    "different_registers": r"warps of one warpgroup have different numbers",
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", REPORTED)
def test_defects_are_reported(
    planted: Planted,
    planted_shadow: Planted,
    operands: tuple[Floats, Floats],
    name: str,
    order: str,
) -> None:
    for build in planted, planted_shadow:
        with pytest.raises(RuntimeError, match=REPORTED[name]):
            pipeline(build, operands, name, order=order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", [one for one in REPORTED if one != "sums_touched"])
def test_defects_are_reported_from_ptx(
    planted_ptx: Planted, operands: tuple[Floats, Floats], name: str, order: str
) -> None:
    """All but of sums, which are registers there, and are not watched."""
    with pytest.raises(RuntimeError, match=REPORTED[name]):
        pipeline(planted_ptx, operands, name, order=order)


@pytest.mark.parametrize("order", ORDERS)
def test_right_kernels_from_ptx(
    planted_ptx: Planted, operands: tuple[Floats, Floats], order: str
) -> None:
    a, b = operands
    got = pipeline(planted_ptx, operands, "pipeline", order=order)
    assert np.array_equal(got, a @ b.T)
    numbers = np.arange(7, dtype=np.float32)
    got = planted_ptx.run("handed_over", numbers, 7, n=7, order=order)
    assert np.array_equal(got, numbers)


@pytest.mark.parametrize("name", ["wrong_swizzle", "wrong_stride"])
def test_wrong_layouts_give_wrong_results(
    planted: Planted, operands: tuple[Floats, Floats], name: str
) -> None:
    a, b = operands
    assert not np.array_equal(pipeline(planted, operands, name), a @ b.T)


def test_data_for_products_is_fenced(planted_shadow: Planted) -> None:
    memory = np.zeros(192 * 32, np.float32)
    for name in "tf32_128", "no_proxy_fence_of_data":
        if name == "tf32_128":
            planted_shadow.run(name, memory, 128 * 64, threads=128, n=0)
            continue
        with pytest.raises(RuntimeError, match="did not fence for the async proxy"):
            planted_shadow.run(name, memory, 128 * 64, threads=128, n=0)


@pytest.mark.parametrize("order", ORDERS)
def test_named_barriers(planted: Planted, planted_shadow: Planted, order: str) -> None:
    source = np.arange(128, dtype=np.float32)
    want = np.repeat([source[:64].sum(), source[64:].sum()], 64) + 64 * 5
    for build in planted, planted_shadow:
        got = build.run("exchanged", source, 128, threads=128, n=5, order=order)
        assert np.array_equal(got, want)
    with pytest.raises(
        RuntimeError, match="race: (read|write) of shared|nothing wrote"
    ):
        planted_shadow.run("no_named_barrier", source, 128, threads=128, order=order)
    with pytest.raises(RuntimeError, match="barrier 1 at .*|deadlock"):
        planted.run("named_barrier_of_too_many", source, 128, threads=128, order=order)


def test_a_missing_named_barrier_gives_wrong_results(planted: Planted) -> None:
    source = np.arange(128, dtype=np.float32)
    want = np.repeat([source[:64].sum(), source[64:].sum()], 64) + 64 * 5
    runs = [
        planted.run("no_named_barrier", source, 128, threads=128, n=5, order=order)
        for order in ORDERS
    ]
    assert any(not np.array_equal(run, want) for run in runs)


def test_one_lane_is_elected(planted: Planted) -> None:
    source = np.arange(1, 65, dtype=np.float32)
    found = set()
    for order in ORDERS:
        got = planted.run("elected", source, 64, threads=64, order=order)
        assert (np.count_nonzero(got[:32]), np.count_nonzero(got[32:])) == (1, 1)
        found.add(int(np.flatnonzero(got)[0]))
    assert len(found) > 1
