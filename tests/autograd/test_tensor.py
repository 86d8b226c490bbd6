"""The Tensor as a Python object: making it, types, protocols, printing."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tilewright as tw
from tilewright.autograd import Tensor
from tilewright.errors import BackendUnavailableError


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        ([1.0, 2.0], np.float32),
        (1.5, np.float32),
        ([[1, 2]], np.int64),
        ([True], np.bool_),
        (np.zeros(2), np.float64),
        (np.float64(1), np.float64),
        (np.zeros(2, np.int32), np.int32),
        (np.zeros(2, ">f4"), np.float32),
        ([], np.float32),
    ],
)
def test_dtypes_of_new_tensors(data, dtype):
    x = tw.tensor(data)
    assert x.dtype == dtype and x.dtype.isnative
    assert x.shape == np.shape(data) and x.ndim == np.ndim(data)


def test_tensor_copies_and_the_class_shares():
    array = np.zeros(3, np.float32)
    copied, shared = tw.tensor(array), Tensor(array)
    array[0] = 1
    assert copied.tolist() == [0.0, 0.0, 0.0]
    assert shared.tolist() == [1.0, 0.0, 0.0]
    assert shared.data is array and shared.numpy() is array
    assert tw.tensor(array[::2]).data.base is None


@pytest.mark.parametrize("data", ["text", [None], [1j], np.zeros(1, object)])
def test_only_numbers(data):
    with pytest.raises(TypeError, match="tensor: data must be of booleans, integers"):
        tw.tensor(data)


def test_integers_cannot_require_a_gradient():
    message = "requires_grad: only float tensors can require a gradient, got int64"
    with pytest.raises(TypeError, match=message):
        tw.tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match=message):
        tw.tensor([1]).requires_grad_()


def test_requires_grad_is_switched_on_leaves_alone():
    x = tw.tensor([1.0]).requires_grad_()
    assert x.requires_grad and x.is_leaf
    y = x * 2
    assert y.requires_grad and not y.is_leaf
    with pytest.raises(RuntimeError, match="requires_grad: only a leaf"):
        y.requires_grad = False
    x.requires_grad = False
    assert not (x * 2).requires_grad


@pytest.mark.parametrize(
    ("expression", "dtype"),
    [
        (lambda f, i: f * 2.0, np.float32),
        (lambda f, i: np.float64(2) * f, np.float32),
        (lambda f, i: f / np.array(3.0), np.float32),
        (lambda f, i: f.sum() * 2.0, np.float32),
        (lambda f, i: f**2.5, np.float32),
        (lambda f, i: 1 - f, np.float32),
        (lambda f, i: f + i, np.float32),
        (lambda f, i: i + f, np.float32),
        (lambda f, i: f * f.astype(np.float64), np.float64),
        (lambda f, i: i + 1, np.int64),
        (lambda f, i: i * 0.5, np.float32),
        (lambda f, i: i / 2, np.float32),
        (lambda f, i: i.mean(), np.float32),
        (lambda f, i: (i == 1).sum(), np.int64),
        (lambda f, i: (i > 0) + 1, np.int64),
        (lambda f, i: i.exp(), np.float32),
        (lambda f, i: i.clip(0.5), np.float32),
        (lambda f, i: f.clip(0.5, 2), np.float32),
        (lambda f, i: f > 0.5, np.bool_),
    ],
)
def test_float32_stays_float32(expression, dtype):
    result = expression(tw.tensor([1.0, 2.0]), tw.tensor([1, 2]))
    assert isinstance(result, Tensor)
    assert result.dtype == dtype


def test_arrays_and_tensors_mix_into_tensors():
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    a = np.array([3.0, 4.0], np.float32)
    for y in (x + a, a + x, a - x, a * x, a / x, a @ x, np.float32(2) * x, a**x):
        assert isinstance(y, Tensor) and y.requires_grad
    assert isinstance(a > x, Tensor)
    with pytest.raises(TypeError, match="does not support ufuncs"):
        a += x  # an array has no place for the gradient


def test_a_gradient_comes_back_in_its_own_dtype():
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    y = tw.tensor(np.array([3.0, 4.0]), requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


def test_comparisons_need_no_gradient():
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    for y in (x == 1, x != 1, x < 2, x <= 2, x > 1, x >= 1, x > 1.5):
        assert y.dtype == bool and not y.requires_grad
    assert (x == 1).tolist() == [True, False]
    assert (x == None) is False  # noqa: E711
    assert x != "text"


def test_hash_and_membership():
    x = tw.tensor([1.0, 2.0])
    assert {x: "found"}[x] == "found"
    assert x not in {tw.tensor([1.0, 2.0])}
    assert 2.0 in x and 3.0 not in x


def test_ways_out():
    x = tw.tensor([[1.0, 2.0]], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"numpy: .* use .detach\(\).numpy\(\)"):
        x.numpy()
    with pytest.raises(RuntimeError, match="numpy: "):
        np.asarray(x)
    plain = x.detach()
    assert not plain.requires_grad and plain.numpy() is x.data
    np.testing.assert_array_equal(np.asarray(plain), [[1, 2]])
    assert np.array(plain, np.float64).dtype == np.float64
    assert np.array(plain) is not plain.data
    assert x.tolist() == [[1.0, 2.0]]
    assert isinstance(x.sum().item(), float)
    with pytest.raises(ValueError, match=r"item: .* got shape \(1, 2\)"):
        x.item()


def test_conversions_to_numbers():
    x = tw.tensor([2.5])
    assert (float(x), int(x), bool(x)) == (2.5, 2, True)
    assert [10, 20, 30][tw.tensor(1)] == 20
    assert np.arange(5)[tw.tensor(3)] == 3
    assert np.arange(5)[tw.tensor([3, 1])].tolist() == [3, 1]
    with pytest.raises(TypeError, match="index: only an integer tensor"):
        [0][tw.tensor(0.0)]
    with pytest.raises(ValueError, match="bool: the truth of a tensor"):
        bool(tw.tensor([1.0, 2.0]))


def test_length_and_iteration():
    x = tw.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(x) == 2 and x.size == 4
    first, second = x
    (first * second).sum().backward()
    assert x.grad.tolist() == [[3.0, 4.0], [1.0, 2.0]]
    with pytest.raises(TypeError, match="len: "):
        len(tw.tensor(1.0))
    with pytest.raises(TypeError, match="iter: "):
        iter(tw.tensor(1.0))


def test_to():
    x = tw.tensor([1.0], requires_grad=True)
    assert x.to("cpu") is x and x.to(np.float32) is x
    wide = x.to("float64")
    (wide * 3).sum().backward()
    assert wide.dtype == np.float64 and x.grad.dtype == np.float32
    assert x.grad.tolist() == [3.0]
    assert not x.to(int).requires_grad
    assert x.device == "cpu" and tw.tensor(x, device="cpu").device == "cpu"
    if not tw.cuda.is_available():
        for device in ("cuda", "cuda:0"):
            with pytest.raises(BackendUnavailableError, match=f"to: '{device}' is not"):
                x.to(device)
    for device in ("gpu", "cpu:1", "cuda:one"):
        with pytest.raises(ValueError, match="to: device must be 'cpu', 'cuda' or"):
            x.to(device)
    with pytest.raises(TypeError, match="astype: dtype must be boolean, integer or"):
        x.to(complex)
    with pytest.raises(TypeError, match="not understood"):
        x.to("moon")


def test_data_can_be_replaced():
    x = tw.tensor([1.0], requires_grad=True)
    x.data = np.array([5.0], np.float32)
    assert x.item() == 5.0
    with pytest.raises(TypeError, match="data: must be a NumPy array, got list"):
        x.data = [1.0]
    with pytest.raises(TypeError, match="data: must be float where .* got int64"):
        x.data = np.array([1])


def test_grad_can_be_set():
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    x.grad = np.array([3.0, 4.0], np.float32)
    assert isinstance(x.grad, Tensor)
    with pytest.raises(ValueError, match=r"grad: must have the tensor's shape \(2,\)"):
        x.grad = np.zeros(3)
    x.grad = None
    assert x.grad is None


def test_copies_and_pickles_of_leaves():
    x = tw.tensor([1.0, 2.0], requires_grad=True)
    _ = x[0]  # a view: what is remembered of it must not travel
    (x * x).sum().backward()
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.requires_grad and twin.tolist() == x.tolist()
        assert twin.grad.tolist() == [2.0, 4.0]
        assert twin.data is not x.data
        (twin * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match="copy: only leaf tensors"):
        copy.deepcopy(x * 2)


def test_reshaping_shares_memory():
    x = tw.tensor(np.arange(6.0))
    for view in (x.reshape(2, 3), x[1:3], x[2], x.reshape((3, 2)).T, x.unsqueeze(0)):
        assert np.shares_memory(view.data, x.data)
    assert not np.shares_memory(x[[0, 1]].data, x.data)
    assert not np.shares_memory(x.clone().data, x.data)


def test_argmax_and_argmin():
    x = tw.tensor([[1.0, 3.0], [4.0, 2.0]], requires_grad=True)
    assert x.argmax().item() == 2 and x.argmin(axis=1).tolist() == [0, 1]
    assert not x.argmax(0).requires_grad


def test_subclass():
    class Parameter(Tensor):
        __slots__ = ("name",)

        def __init__(self, data, name):
            super().__init__(data, requires_grad=True)
            self.name = name

    weight = Parameter(np.ones((2, 2), np.float32), "weight")
    y = tw.tensor([[1.0, 2.0]]) @ weight + weight[0] * weight
    y.sum().backward()
    assert type(y) is Tensor and weight.grad.shape == (2, 2)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (tw.tensor([12.0]), "tensor([12.])"),
        (tw.tensor(2.5), "tensor(2.5000)"),
        (tw.tensor([1.5, 2.0]), "tensor([1.5000, 2.0000])"),
        (tw.tensor([1, 2]), "tensor([1, 2])"),
        (tw.tensor([True]), "tensor([ True])"),
        (tw.tensor(np.zeros(1)), "tensor([0.], dtype=float64)"),
        (tw.tensor([np.nan, np.inf, 1.0]), "tensor([nan, inf,  1.])"),
        (tw.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (
            tw.tensor([1.0], requires_grad=True) + 1,
            "tensor([2.], grad_fn=<Add>)",
        ),
        (tw.tensor([[1.0], [2.0]]), "tensor([[1.],\n        [2.]])"),
        (tw.tensor(np.zeros((0, 3), np.float32)), "tensor([], size=(0, 3))"),
    ],
)
def test_repr(x, text):
    assert repr(x) == text
