"""What is right passes: barriers, shuffles, votes, atomics, copies, in any order."""

from __future__ import annotations

import numpy as np
import pytest
from simulator import ORDERS, Planted


@pytest.fixture(params=["planted", "planted_shadow", "planted_ptx"])
def either(request: pytest.FixtureRequest) -> Planted:
    found: Planted = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def source() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(-9, 10, 64).astype(np.float32)


@pytest.mark.parametrize("order", ORDERS)
def test_barriers(either: Planted, source: np.ndarray, order: str) -> None:
    assert np.array_equal(either.run("reversed", source, 64, order=order), source[::-1])
    swapped = either.run("warp_exchange", source, 64, order=order)
    assert np.array_equal(swapped, source[np.arange(64) ^ 1])


@pytest.mark.parametrize("order", ORDERS)
def test_barriers_of_some_lanes(
    either: Planted, source: np.ndarray, order: str
) -> None:
    t = np.arange(64)
    got = either.run("half_warp_exchange", source, 64, order=order)
    assert np.array_equal(got, source[t ^ 1] + source[t ^ 17])
    got = either.run("relayed", source, 64, order=order)
    assert np.array_equal(got, np.where(t % 32 == 2, source[t - 2], 0))


@pytest.mark.parametrize("order", ORDERS)
def test_shuffles_and_votes(either: Planted, source: np.ndarray, order: str) -> None:
    sums, down, up, fixed, ballot, votes, part, chosen = either.run(
        "shuffles", source, 8 * 64, order=order
    ).reshape(8, 2, 32)
    warps = source.reshape(2, 32)
    lane = np.arange(32)
    assert np.array_equal(sums, np.repeat(warps.sum(1), 32).reshape(2, 32))
    assert np.array_equal(down, warps[:, np.where(lane < 29, lane + 3, lane)])
    assert np.array_equal(up, warps[:, np.where(lane % 8 >= 3, lane - 3, lane)])
    assert np.array_equal(fixed, warps[:, lane // 16 * 16 + 5])
    bits = ((warps[:, :16] > 0) << np.arange(16)).sum(1)
    assert np.array_equal(ballot, np.repeat(bits, 32).reshape(2, 32))
    assert (votes == 1).all()
    assert np.array_equal(part[:, :8], warps[:, 7::-1])
    assert (part[:, 8:] == -1).all()
    assert np.array_equal(chosen, warps[:, (7 * lane + 3) % 32])


def test_integer_atomics(either: Planted) -> None:
    source = np.arange(5, dtype=np.float32)
    out = np.zeros(2, np.float32)
    either.module.configure(2, 3, True)
    either.module.run("integer_atomics", source, out, 4, 64, 5)
    assert out.view(np.int32).tolist() == [10 * 64 * 4, 3063]


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("order", ORDERS)
def test_asynchronous_copies(
    either: Planted, source: np.ndarray, order: str, late: bool
) -> None:
    got = either.run("copied", source, 64, order=order, late_copies=late)
    expected = source.copy()
    expected[5] = 0
    assert np.array_equal(got, expected[np.arange(64) ^ 33])


def test_random_order_is_repeated_by_its_seed(planted: Planted) -> None:
    source = np.arange(64, dtype=np.float32)

    def run(seed: int) -> bytes:
        out = planted.run("missing_barrier", source, 64, order="random", seed=seed)
        return out.tobytes()

    assert run(5) == run(5)
    assert len({run(seed) for seed in range(6)}) > 1


def counts(planted: Planted, name: str, source: np.ndarray, size: int) -> dict:
    planted.module.count_accesses(True)
    planted.run(name, source, size, threads=32)
    found = planted.module.access_counts()
    planted.module.count_accesses(False)
    return found


def test_bank_conflicts_are_counted(watched: Planted) -> None:
    source = np.zeros(512, np.float32)
    bad = counts(watched, "transposed_with_conflicts", source, 512)
    good = counts(watched, "transposed_without_conflicts", source, 512)
    # 16 stores of a row, then 16 loads of a column of 16 rows, all in one bank.
    assert bad["shared"] == (16 + 16 * 16, 32)
    assert good["shared"] == (32, 32)


def test_sectors_are_counted(watched: Planted) -> None:
    source = np.zeros(512, np.float32)
    # 32 neighbouring floats are 4 sectors; the result is another 4.
    assert counts(watched, "neighbours", source, 32)["global"] == (8, 8)
    assert counts(watched, "every_eighth", source, 32)["global"] == (36, 8)
