"""A process forked after a kernel ran computes the same bits and does not hang."""

from __future__ import annotations

import os

import pytest
from processes import run_python

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_fork_after_use(threads: int) -> None:
    run_python(
        f"""
import os
tw.set_num_threads({threads})
expected = digest(0)
for _ in range(3):
    child = os.fork()
    if child == 0:
        same = digest(0) == expected and digest(1) != expected
        os._exit(0 if same else 1)
    assert digest(0) == expected
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
"""
    )


def test_fork_of_a_forked_child() -> None:
    run_python(
        """
import os
tw.set_num_threads(3)
expected = digest(0)
child = os.fork()
if child == 0:
    mine = digest(0)
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(0 if digest(0) == mine == expected else 1)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    )


def test_fork_while_another_thread_computes() -> None:
    run_python(
        """
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, of this
tw.set_num_threads(3)
expected = digest(0)
stop = threading.Event()
def compute():
    while not stop.is_set():
        digest(1)
thread = threading.Thread(target=compute)
thread.start()
try:
    for _ in range(10):
        child = os.fork()
        if child == 0:
            os._exit(0 if digest(0) == expected else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
finally:
    stop.set()
    thread.join()
"""
    )


def test_multiprocessing_fork_pool() -> None:
    run_python(
        """
import multiprocessing
tw.set_num_threads(3)
expected = [digest(seed) for seed in range(4)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(digest, range(4)) == expected
"""
    )


def test_fork_with_a_batch_under_way() -> None:
    run_python(
        """
import os
import numpy as np
tw.set_num_threads(3)
images = np.random.default_rng(0).random((256, 20_000), np.float32)
made = tw.data.ArrayDataset(images, np.arange(256))
for _ in range(20):
    digest(0)
    batches = iter(tw.data.DataLoader(made, 64, shuffle=True, seed=0))
    next(batches)
    child = os.fork()  # threads copy rows of the second batch meanwhile
    if child == 0:
        right = all(np.array_equal(x, images[rows]) for x, rows in batches)
        os._exit(0 if right else 1)
    assert all(np.array_equal(x, images[rows]) for x, rows in batches)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    )
