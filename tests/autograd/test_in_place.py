"""Changes in place: versions, views, histories, and what is refused."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import tilewright as tw
from tilewright.autograd import broadcast_to, concatenate

OPERATORS = (operator.iadd, operator.isub, operator.imul, operator.itruediv)


def leaf(values):
    return tw.tensor(values, requires_grad=True)


@pytest.mark.parametrize("change", OPERATORS)
def test_operators_change_the_array_itself(change):
    x = tw.tensor([6.0, 9.0])
    array, expected = x.data, change(np.array([6.0, 9.0]), 3.0)
    assert change(x, 3.0) is x
    assert x.data is array and x.dtype == np.float32
    assert x.tolist() == expected.tolist()
    assert x._version.number == 1


@pytest.mark.parametrize("change", OPERATORS)
def test_leaves_that_require_a_gradient_are_protected(change):
    x = leaf([6.0])
    with pytest.raises(RuntimeError, match="the tensor is a leaf that requires"):
        change(x, 3.0)
    assert x.tolist() == [6.0] and x._version.number == 0
    with tw.no_grad():
        change(x, 3.0)
    assert x.tolist() == change(np.array([6.0]), 3.0).tolist()
    assert x.requires_grad and x.is_leaf


def test_views_of_such_leaves_are_protected():
    x = leaf([1.0, 2.0])
    for view in (x[0:1], x.reshape(2, 1), x[1]):
        with pytest.raises(RuntimeError, match="is a view of a leaf that requires"):
            view += 1.0
    with pytest.raises(RuntimeError, match="setitem: the tensor is a leaf"):
        x[0] = 1.0
    with pytest.raises(RuntimeError, match="setitem: the tensor is a leaf"):
        x.zero_()
    assert x.tolist() == [1.0, 2.0]


def test_a_constant_may_take_values_that_require_a_gradient():
    x = leaf([3.0])
    y = tw.tensor([1.0, 2.0])
    y += x
    y[0] = x[0] * 2
    assert y.requires_grad
    y.backward([10.0, 1.0])
    assert x.grad.tolist() == [21.0]


def test_an_old_saved_array_is_noticed():
    x = leaf([1.0, 2.0])
    y = x * 1
    z = y * y
    y[0] = 5.0
    with pytest.raises(RuntimeError, match="Multiply needs .* modified in place"):
        z.sum().backward()


def test_a_change_through_a_view_is_noticed():
    x = leaf([[1.0, 2.0]])
    y = x * 1
    z = y.exp()
    w = z * z
    z.reshape(2)[0:1].zero_()
    with pytest.raises(RuntimeError, match="modified in place"):
        w.sum().backward()


def test_a_change_through_a_detached_tensor_is_noticed():
    x = leaf([1.0])
    y = x.exp()
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="Exp needs .* modified in place"):
        y.backward()


def test_a_change_that_no_gradient_needs_is_harmless():
    x = leaf([1.0, 2.0])
    y = x * 3
    z = y + 1
    y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_a_change_under_no_grad_is_counted_too():
    x = leaf([1.0])
    y = x.exp()
    with tw.no_grad():
        y += 1.0
    with pytest.raises(RuntimeError, match="modified in place"):
        y.backward()


def test_a_chain_of_changes():
    x = leaf([2.0])
    y = x * 1
    y *= x
    y += x
    y /= 2.0
    y -= 1.0
    y.backward()
    assert x.grad.tolist() == [2.5]


def test_overwriting_cuts_the_history():
    x, w = leaf([1.0, 2.0]), leaf([5.0, 6.0])
    y = x * 2
    y.copy_(w)
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0] and w.grad.tolist() == [1.0, 1.0]


def test_a_view_in_place_passes_its_own_gradient():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    y = (x * 2).reshape(4)
    y += 1.0
    (y * y).sum().backward()
    assert x.grad.tolist() == [[12.0, 20.0], [28.0, 36.0]]


@pytest.mark.parametrize("changed", ["base", "view"])
def test_no_silent_gradient_through_an_alias(changed):
    x = leaf([1.0, 2.0])
    base = x * 2
    view = base[0:1]
    tensors = {"base": base, "view": view}
    tensors[changed] *= 3.0
    (other,) = {"base", "view"} - {changed}
    with pytest.raises(RuntimeError, match="memory had been changed in place through"):
        tensors[other].sum().backward()
    assert x.grad is None
    tensors[changed].sum().backward()
    assert x.grad.tolist() == ([6.0, 6.0] if changed == "base" else [6.0, 0.0])


def test_a_view_taken_after_the_change_is_right():
    x = leaf([1.0, 2.0])
    y = x * 2
    y[0:1]
    y *= 3.0
    y[0:1].sum().backward()
    assert x.grad.tolist() == [6.0, 0.0]


def test_views_that_are_gone_are_forgotten():
    x = tw.tensor(np.zeros(4, np.float32))
    for _ in range(1000):
        x[0:2].reshape(2, 1)
    assert len(x._version.aliases) < 200
    kept = [x[0] for _ in range(300)]
    assert {id(view) for view in kept} <= {id(view) for view in x._version.living()}


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0, 7.0),
        ((slice(None), 1), [8.0, 9.0]),
        (np.array([[True, False], [False, True]]), np.array([1.0, 2.0])),
        ([1, 0], 5),
        (..., np.float64(2)),
        ((0, slice(None)), np.ones((1, 1, 2))),
    ],
)
def test_setitem_is_numpys(index, value):
    array = np.arange(4.0, dtype=np.float32).reshape(2, 2)
    x = tw.tensor(array)
    x[index] = value
    array[index] = value
    np.testing.assert_array_equal(x.data, array)
    assert x._version.number == 1


def test_setitem_with_tensors_as_index_and_value():
    x, w = leaf([1.0, 2.0, 3.0]), leaf([[4.0]])
    y = x * 2
    y[tw.tensor([0, 2])] = w
    y.backward([1.0, 10.0, 100.0])
    assert y.tolist() == [4.0, 4.0, 4.0]
    assert x.grad.tolist() == [0.0, 20.0, 0.0]
    assert w.grad.tolist() == [[101.0]]


def test_setitem_from_the_tensor_itself():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1
    y[1:] = y[:-1]
    y.backward([1.0, 10.0, 100.0])
    assert y.tolist() == [1.0, 1.0, 2.0]
    assert x.grad.tolist() == [11.0, 100.0, 0.0]


def test_zero_fill_and_copy():
    x = tw.tensor([1.0, 2.0])
    assert x.zero_() is x and x.tolist() == [0.0, 0.0]
    assert x.fill_(3).tolist() == [3.0, 3.0]
    assert x.copy_([4.0, 5.0]).tolist() == [4.0, 5.0]
    assert x._version.number == 3


def test_results_must_fit():
    x = tw.tensor([1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"add: shape \(3, 2\) does not broadcast to the shape \(2,\)"
    ):
        x += np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"add: shape \(3,\) does not broadcast to"):
        x += np.ones(3, np.float32)
    with pytest.raises(ValueError, match=r"setitem: value of shape \(3,\) does not"):
        x[:] = np.ones(3)
    with pytest.raises(IndexError, match="setitem: index 2 is out of bounds"):
        x[2] = 1.0
    i = tw.tensor([1, 2])
    with pytest.raises(TypeError, match="multiply: a float32 result cannot be stored"):
        i *= 0.5
    with pytest.raises(TypeError, match="divide: int64 tensors cannot hold a quotient"):
        i /= 2
    with pytest.raises(TypeError, match="setitem: a int64 tensor cannot take a value"):
        i[0] = leaf([1.0])[0]
    with pytest.raises(TypeError, match="unsupported operand"):
        x += "a"
    assert (x.tolist(), i.tolist()) == ([1.0, 2.0], [1, 2])
    x += np.array([1.0, 1.0])  # float64 is stored as float32
    assert x.dtype == np.float32 and x.tolist() == [2.0, 3.0]


def test_read_only_memory_is_refused():
    view = broadcast_to(tw.tensor([1.0]), 3)
    with pytest.raises(ValueError, match="add: the tensor's memory is read-only"):
        view += 1.0


def test_concatenation_copies():
    x = tw.tensor([1.0])
    y = concatenate([x])
    y += 1.0
    assert x.tolist() == [1.0]
