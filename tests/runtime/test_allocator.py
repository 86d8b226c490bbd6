"""The caching allocator: what a training step asks the system for, and leaks."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import tilewright as tw
from tilewright import nn, optim


@pytest.fixture
def cpu():
    from tilewright import _cpu

    if _cpu.build_info()["sanitizers"]:
        pytest.skip("the sanitized build does not cache")
    return _cpu


def test_a_steady_training_step_asks_the_system_for_nothing(cpu) -> None:
    tw.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 11 * 11, 32), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(32, 10),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    x = rng.random((32, 28, 28, 1), dtype=np.float32)
    labels = rng.integers(0, 10, 32)
    asked = []
    with tw.backend("cpu"):
        for _ in range(20):
            loss = nn.functional.cross_entropy(model(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            asked.append(cpu.allocator_stats()["system_allocations"])
    assert asked[0] > 0
    assert len(set(asked[5:])) == 1, asked


def test_memory_comes_back(cpu) -> None:
    gc.collect()
    before = cpu.allocator_stats()["bytes_in_use"]
    array = cpu.empty((1000, 1000))
    assert cpu.allocator_stats()["bytes_in_use"] >= before + array.nbytes
    view = array[10:]
    del array
    assert cpu.allocator_stats()["bytes_in_use"] > before
    del view
    assert cpu.allocator_stats()["bytes_in_use"] == before


def test_a_freed_block_is_handed_out_again(cpu) -> None:
    arrays = [cpu.empty((300, 300)) for _ in range(3)]
    arrays.clear()
    asked = cpu.allocator_stats()["system_allocations"]
    arrays = [cpu.empty((300, 300)) for _ in range(3)]
    assert cpu.allocator_stats()["system_allocations"] == asked
    assert len({array.ctypes.data for array in arrays}) == 3


def test_a_block_serves_a_smaller_array_too(cpu) -> None:
    cpu.release_cached_memory()
    del (large := [cpu.empty((1000, 1000))])[0]
    asked = cpu.allocator_stats()["system_allocations"]
    smaller = cpu.empty((1000, 700))
    assert cpu.allocator_stats()["system_allocations"] == asked
    much_smaller = cpu.empty((1000, 100))
    assert cpu.allocator_stats()["system_allocations"] == asked + 1
    assert large == [] and smaller.size > much_smaller.size


def test_what_ran_before_leaves_room_for_what_runs_now(cpu) -> None:
    """Blocks of sizes no longer asked for do not keep new ones out of the cache."""
    cpu.release_cached_memory()
    for megabytes in range(200, 20, -10):  # none serves a larger one after it
        cpu.empty((megabytes, 1 << 18))
    held = cpu.empty((16, 1 << 18))  # the only one that could serve a smaller one
    asked = []
    for _ in range(5):
        cpu.empty((12, 1 << 18))
        asked.append(cpu.allocator_stats()["system_allocations"])
    assert held.size and len(set(asked)) == 1, asked
    limit = 256 << 20
    assert cpu.allocator_stats()["bytes_cached"] <= max(limit, 201 << 20)


def test_release_empties_the_cache(cpu) -> None:
    kept = cpu.empty((64, 64))
    kept[:] = 1
    dropped = cpu.empty((512, 512))
    del dropped
    assert cpu.allocator_stats()["bytes_cached"] > 0
    cpu.release_cached_memory()
    assert cpu.allocator_stats()["bytes_cached"] == 0
    assert (kept == 1).all()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (15,), (16,), (17,), (3, 0, 2)])
def test_blocks_are_aligned_and_writeable(cpu, shape: tuple[int, ...]) -> None:
    array = cpu.empty(shape)
    assert array.shape == shape and array.dtype == np.float32
    assert array.ctypes.data % 64 == 0 and array.flags.writeable
    array[...] = 1


def test_an_impossible_size_is_refused(cpu) -> None:
    with pytest.raises((MemoryError, ValueError)):
        cpu.empty((1 << 40, 1 << 10))
    with pytest.raises(ValueError, match="negative"):
        cpu.empty((-1,))


def test_blocks_freed_by_another_thread(cpu) -> None:
    from concurrent.futures import ThreadPoolExecutor

    before = cpu.allocator_stats()["bytes_in_use"]
    arrays = [cpu.empty((100, 100)) for _ in range(50)]
    with ThreadPoolExecutor(4) as pool:
        while arrays:
            pool.submit(lambda array: None, arrays.pop())
    gc.collect()
    assert cpu.allocator_stats()["bytes_in_use"] == before
