"""Several Python threads call kernels at once."""

from __future__ import annotations

import pytest
from processes import run_python


@pytest.mark.parametrize("threads", [1, 3])
def test_python_threads_get_the_serial_bits(threads: int) -> None:
    run_python(
        f"""
from concurrent.futures import ThreadPoolExecutor
tw.set_num_threads(1)
expected = [digest(seed) for seed in range(3)]
tw.set_num_threads({threads})
with ThreadPoolExecutor(8) as pool:
    assert list(pool.map(digest, [0, 1, 2] * 8)) == expected * 8
"""
    )


def test_the_thread_count_may_change_meanwhile() -> None:
    run_python(
        """
from concurrent.futures import ThreadPoolExecutor
expected = digest(0)
with ThreadPoolExecutor(4) as pool:
    results = [pool.submit(digest, 0) for _ in range(24)]
    count = 0
    while not all(result.done() for result in results):
        tw.set_num_threads(1 + count % 7)
        count += 1
assert [result.result() for result in results] == [expected] * 24
"""
    )


def test_an_interpreter_exits_while_workers_wait() -> None:
    run_python("tw.set_num_threads(4); digest(0)")
