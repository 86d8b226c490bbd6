"""The backward pass over whole graphs: order, memory, reuse, errors."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tilewright as tw
from tilewright.autograd import Function, concatenate


def leaf(values):
    return tw.tensor(values, requires_grad=True)


def test_gradients_accumulate_in_the_leaf():
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad is first
    assert x.grad.tolist() == [5.0, 7.0]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_diamond_is_walked_once():
    calls = []

    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, dy):
            calls.append(dy.tolist())
            return dy * 2

    x = leaf([1.0])
    y = Double.apply(x)
    z = y * 3 + y * y
    z.backward()
    assert calls == [[7.0]]
    assert x.grad.tolist() == [14.0]


def test_a_leaf_used_by_several_operations():
    x = leaf([2.0])
    (x + x + x * x + concatenate([x, x]).sum()).backward()
    assert x.grad.tolist() == [8.0]


def test_backward_of_a_leaf_itself():
    x = leaf([2.0])
    x.backward()
    x.backward(np.array([4.0]))
    assert x.grad.tolist() == [5.0]


def test_gradient_argument():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    y = x * 2
    y.backward([[1, 0], [0, 10]], retain_graph=True)
    y.backward(tw.tensor(np.ones((2, 2))))
    assert x.grad.tolist() == [[4.0, 2.0], [2.0, 22.0]]
    assert x.grad.dtype == np.float32
    with pytest.raises(
        ValueError, match=r"gradient must have the tensor's shape \(2, 2\), got \(2,\)"
    ):
        (x * 2).backward(np.ones(2))


def test_the_given_gradient_is_not_written_to_nor_shared():
    x = leaf([1.0, 2.0])
    gradient = np.array([3.0, 4.0], np.float32)
    (x + x.exp()).backward(gradient)
    x.grad.data[:] = -1
    assert gradient.tolist() == [3.0, 4.0]


def test_leaves_do_not_share_their_gradients():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x + y).sum().backward()
    assert not np.shares_memory(x.grad.data, y.grad.data)
    x.grad.data[:] = 9
    assert y.grad.tolist() == [1.0, 1.0]
    assert x.grad.data.flags.c_contiguous and x.grad.data.flags.writeable


def test_more_than_one_element_needs_a_gradient():
    with pytest.raises(ValueError, match=r"backward: gradient must be given .*\(2,\)"):
        (leaf([1.0, 2.0]) * 2).backward()


def test_backward_without_anything_that_requires_a_gradient():
    with pytest.raises(RuntimeError, match="backward: this tensor does not require"):
        tw.tensor([1.0]).backward()
    with pytest.raises(RuntimeError, match="backward: this tensor does not require"):
        (leaf([1.0]) * 2).detach().backward()


def test_a_second_backward_is_an_error():
    x = leaf([1.0])
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="already used and released .*retain_graph"):
        y.backward()
    assert x.grad.tolist() == [2.0]


def test_retain_graph():
    x = leaf([3.0])
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_two_results_over_one_released_part():
    x = leaf([3.0])
    shared = x * x
    first, second = shared * 2, shared * 3
    first.backward()
    with pytest.raises(RuntimeError, match="already used and released"):
        second.backward()


def test_a_long_chain_needs_no_recursion():
    x = leaf([1.0])
    y = x
    for _ in range(20_000):
        y = y + 1.0
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y  # nor does letting go of it


def test_a_long_chain_is_let_go_of_without_a_backward_pass():
    y = leaf([1.0])
    for _ in range(20_000):
        y = y + 1.0
    del y


class Broken(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, dy):
        raise ArithmeticError("broken on purpose")


def test_a_failing_backward_leaves_the_leaves_unchanged():
    x, y = leaf([1.0]), leaf([2.0])
    z = Broken.apply(x) + y  # y's gradient is known before x's fails
    with pytest.raises(ArithmeticError):
        z.backward()
    assert x.grad is None and y.grad is None


def test_memory_is_released_after_backward():
    x = leaf(np.ones((64, 64), np.float32))
    hidden = x * 2
    y = (hidden * hidden).exp()
    array = weakref.ref(hidden.data)
    tensor = weakref.ref(hidden)
    node = y._node
    del hidden
    assert tensor() is None
    assert array() is not None  # saved for the backward pass
    y.sum().backward()
    assert array() is None
    assert node.released and node.saved == () and node.edges == ()


def test_graphs_are_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        x = leaf([1.0])
        y = (x[0:1].reshape(1, 1) @ x.reshape(1, 1)).sum()
        dead = weakref.ref(y)
        y.backward(retain_graph=True)
        del y
        assert dead() is None
    finally:
        gc.enable()


def test_sums_are_added_in_the_same_order_every_time():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(50).astype(np.float32) for _ in range(30)]

    def gradient():
        x = leaf(arrays[0])
        y = x * 1
        total = sum((y * a).exp() for a in arrays)
        total.sum().backward()
        return x.grad.data.tobytes()

    assert len({gradient() for _ in range(5)}) == 1


def test_integers_and_constants_take_no_part():
    x = leaf([1.0, 2.0, 3.0])
    indices = tw.tensor([2, 0])
    (x[indices] * np.array([5.0, 7.0], np.float32)).sum().backward()
    assert x.grad.tolist() == [7.0, 0.0, 5.0]
    assert indices.grad is None


def test_only_the_leaves_keep_a_gradient():
    x = leaf([1.0])
    y = x * 2
    z = y * 3
    z.backward()
    assert y.grad is None and z.grad is None
