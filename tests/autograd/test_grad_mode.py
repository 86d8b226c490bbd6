"""no_grad: nesting, decorating, errors, and one switch per thread."""

from __future__ import annotations

import threading

import pytest

import tilewright as tw
from tilewright.autograd import is_grad_enabled


def test_nesting_and_errors():
    assert is_grad_enabled()
    with tw.no_grad():
        with tw.no_grad():
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    with pytest.raises(KeyError), tw.no_grad():
        raise KeyError
    assert is_grad_enabled()


def test_decorator():
    @tw.no_grad()
    def doubled(x):
        return x * 2

    x = tw.tensor([1.0], requires_grad=True)
    assert not doubled(x).requires_grad
    assert not doubled(x).requires_grad
    assert (x * 2).requires_grad


def test_leaves_keep_their_flag():
    with tw.no_grad():
        x = tw.tensor([1.0], requires_grad=True)
        assert x.requires_grad and not (x * 2).requires_grad
    (x * 2).backward()
    assert x.grad.tolist() == [2.0]


def test_other_threads_go_on_recording():
    x = tw.tensor([1.0], requires_grad=True)
    inside, leave = threading.Event(), threading.Event()
    seen: list[bool] = []

    def evaluate():
        with tw.no_grad():
            inside.set()
            assert leave.wait(30)
            seen.append((x * 2).requires_grad)

    thread = threading.Thread(target=evaluate)
    thread.start()
    assert inside.wait(30)
    recorded = (x * 2).requires_grad
    leave.set()
    thread.join()
    assert recorded and seen == [False]


def test_threads_build_graphs_of_their_own():
    results: dict[int, list[float]] = {}

    def work(number):
        x = tw.tensor([float(number)], requires_grad=True)
        for _ in range(50):
            x.grad = None
            y = x * 1
            for _ in range(20):
                y = y + x * x
            y.backward()
        results[number] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [1.0 + 40.0 * n] for n in range(4)}
