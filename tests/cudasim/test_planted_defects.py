"""Each kind of defect is planted in a kernel, and must be caught.

Three ways: the scheduler reports it; results are wrong, in one order of threads at
least; the shadow memory reports it.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from simulator import ORDERS, Floats, Planted

SOURCE = np.arange(1, 1 + 4096, dtype=np.float32)


def values(threads: int = 64) -> Floats:
    """An input of exactly as many elements as threads."""
    return SOURCE[:threads].copy()


# What is reported by both builds, whatever the order.
REPORTED = {
    "divergent_barrier": r"divergent barrier: threads .* planted\.cu.* and planted\.cu",
    "barrier_of_some": r"24 threads have ended while 40 wait at a barrier",
    "shuffle_of_some": r"deadlock: .* in a warp operation at planted\.cu:\d+",
    "shuffle_from_outside": r"reads lane \d+, which takes no part",
    "divergent_shuffle": r"divergent warp operation: lanes at planted\.cu",
    "misaligned": r"misaligned (vector load|access) of 16 bytes",
    "copies_left": r"ends with 1 asynchronous copies that nothing waited for",
    "misaligned_copy": r"misaligned asynchronous copy from global memory of 16 bytes",
    "unrounded": r"an operand was not rounded to tf32",
    "too_little_shared": r"gives 64 bytes of shared memory, the kernel needs 4096"
    r"|access of 4 bytes outside of the 64 bytes of shared memory",
}
# What the shadow memory reports, whatever the order.
SHADOWED = {
    "missing_barrier": r"race: (read|write) of shared memory",
    "missing_barrier_before_reuse": r"race: (read|write) of shared memory",
    "missing_warp_barrier": r"race: (read|write) of shared memory",
    "warp_barrier_without_writer": r"race: (read|write) of shared memory",
    "warp_barrier_before_writer": r"race: (read|write) of shared memory",
    "missing_warp_barrier_before_reuse": r"race: write of shared memory.* after a read",
    "shuffle_for_barrier": r"race: (read|write) of shared memory",
    "vote_for_barrier": r"race: (read|write) of shared memory",
    "missing_wait": r"race: (read|write) of shared memory",
    "missing_barrier_after_wait": r"race: (read|write) of shared|which nothing wrote",
    "uninitialised_shared": r"read of shared memory at offset \d+, which nothing wrote",
    "write_beyond": r"write of 4 bytes outside of every array",
    "read_beyond": r"read of 4 bytes outside of every array",
    "write_of_an_input": r"write of an input, global memory at offset \d+",
    "race_of_blocks": r"race: write of global memory at offset \d+ after a write",
    "read_of_another_block": r"race: (read|write) of global memory",
}
BLOCKS = {"race_of_blocks": 3, "read_of_another_block": 2}


def call(planted: Planted, name: str, order: str) -> Floats:
    source = values(32) if name == "unrounded" else values()
    if name == "unrounded":
        source[0] = np.pi
    blocks = BLOCKS.get(name, 1)
    size = 64 * (2 if name == "read_of_another_block" else 1)
    threads = 32 if name == "unrounded" else 64
    return planted.run(name, source, size, blocks=blocks, threads=threads, order=order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", REPORTED)
def test_the_scheduler_reports(planted: Planted, name: str, order: str) -> None:
    with pytest.raises(RuntimeError, match=REPORTED[name]):
        call(planted, name, order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", [*REPORTED, *SHADOWED])
def test_the_shadow_memory_reports(watched: Planted, name: str, order: str) -> None:
    message = {**REPORTED, **SHADOWED}[name]
    with pytest.raises(RuntimeError, match=message):
        call(watched, name, order)


def test_shared_memory_ends_where_the_launch_says(watched: Planted) -> None:
    with pytest.raises(RuntimeError, match="outside of (every array|the 4096 bytes)"):
        watched.run("shared_beyond", values(), 64, n=1024)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("missing_barrier", np.concatenate([SOURCE[:1], SOURCE[:63]])),
        ("missing_barrier_before_reuse", np.roll(SOURCE[:64], -32)),
        ("missing_warp_barrier", SOURCE[np.arange(64) ^ 1]),
        ("missing_barrier_after_wait", SOURCE[np.arange(64) ^ 33]),
        ("missing_wait", SOURCE[np.arange(64) ^ 33]),
        ("uninitialised_shared", np.ones(64)),
    ],
)
def test_results_are_wrong_without_shadow_memory(
    planted: Planted, name: str, right: Floats
) -> None:
    right = right.astype(np.float32)
    if "wait" in name:
        right[5 ^ 33] = 0
    runs = [planted.run(name, values(), 64, order=order) for order in ORDERS]
    assert any(not np.array_equal(run, right) for run in runs)


def test_a_missing_wait_is_hidden_by_early_copies(planted: Planted) -> None:
    right = SOURCE[np.arange(64) ^ 33].copy()
    right[5 ^ 33] = 0
    early = planted.run("missing_wait", values(), 64, late_copies=False)
    late = planted.run("missing_wait", values(), 64)
    assert np.array_equal(early, right)
    # Who reads before the other thread has ended finds nothing yet.
    assert np.isnan(late).sum() >= 32


def test_the_message_says_where(watched: Planted) -> None:
    with pytest.raises(RuntimeError) as caught:
        watched.run("missing_barrier", values(), 64)
    lines = str(caught.value).splitlines()
    assert re.fullmatch(r"missing_barrier: \d+ faults", lines[0])
    assert re.match(r"  block \(0, 0, 0\) thread \d+: race", lines[1])
    place = r"\(instruction (\+0x\w+|planted\.cu:\d+, planted\.ptx:\d+)\)"
    assert len(re.findall(place, lines[1])) == 2


@pytest.mark.parametrize(
    ("blocks", "threads"), [(0, 32), (1, 0), (1, 1025), (2**31, 32)]
)
def test_impossible_launches_are_refused(
    planted: Planted, blocks: int, threads: int
) -> None:
    with pytest.raises((ValueError, TypeError)):
        planted.run("reversed", values(), 64, blocks=blocks, threads=threads)
