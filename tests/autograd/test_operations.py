"""Forward and gradient of every operation."""

from __future__ import annotations

import numpy as np
import pytest
from operation_cases import CASES, Case, Ours, inputs

import tilewright as tw
from tilewright import autograd
from tilewright.autograd import gradcheck


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", CASES, ids=named)
def test_gradient_is_that_of_differences(case):
    assert gradcheck(lambda *args: case.function(Ours, *args), inputs(case))


@pytest.fixture(scope="module")
def torch_library():
    torch = pytest.importorskip("torch", reason="compares with PyTorch: extra 'peers'")

    class Theirs:
        cat, stack, where = torch.cat, torch.stack, torch.where
        maximum, minimum, matmul = torch.maximum, torch.minimum, torch.matmul
        leaf = staticmethod(lambda a: torch.tensor(a, requires_grad=True))
        constant = staticmethod(torch.as_tensor)

        @staticmethod
        def amax(x, axis=(), keepdims=False):
            return torch.amax(x, axis, keepdims)

        @staticmethod
        def amin(x, axis=(), keepdims=False):
            return torch.amin(x, axis, keepdims)

        @staticmethod
        def reduce(x, name, axis=None, keepdims=False, **options):
            return getattr(torch, name)(x, dim=axis, keepdim=keepdims, **options)

        @staticmethod
        def clip(x, low, high):
            return x.clip(low, high)

    return Theirs


# PyTorch refuses the backward pass of y *= y.
OURS_ALONE = {"in_place_square"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name not in OURS_ALONE], ids=named
)
def test_agrees_with_pytorch(case, dtype, torch_library):
    arrays = inputs(case, dtype)
    ours = [tw.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch_library.leaf(a) for a in arrays]
    y = case.function(Ours, *ours)
    z = case.function(torch_library, *theirs)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    y.backward(dy)
    z.backward(torch_library.constant(dy))
    assert y.shape == tuple(z.shape)
    assert y.dtype == dtype
    # A few roundings of values below 10; sums of up to 24 of them.
    tolerance = 2e-6 if dtype is np.float32 else 1e-13
    close = {"rtol": 10 * tolerance, "atol": 10 * tolerance}
    np.testing.assert_allclose(y.data, z.detach().numpy(), **close)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad.dtype == dtype
        np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), **close)


def gradient(function, values):
    x = tw.tensor(values, requires_grad=True)
    function(x).sum().backward()
    return x.grad.tolist()


def test_gradients_at_kinks_and_ties():
    assert gradient(abs, [0.0]) == [0.0]
    assert gradient(autograd.relu, [0.0]) == [0.0]
    assert gradient(lambda x: x.clip(0, 1), [0.0, 1.0, 2.0]) == [1.0, 1.0, 0.0]
    assert gradient(lambda x: x.max(), [3.0, 1.0, 3.0]) == [0.5, 0.0, 0.5]
    assert gradient(lambda x: x.min(), [1.0, 1.0, 3.0]) == [0.5, 0.5, 0.0]
    assert gradient(lambda x: autograd.maximum(x, 1.0), [1.0, 2.0]) == [0.5, 1.0]
    assert gradient(lambda x: x**0, [0.0]) == [0.0]
    assert gradient(lambda x: x**2, [0.0]) == [0.0]


def test_power_with_zeros_has_finite_gradients():
    base = tw.tensor([0.0, 0.0, 2.0], requires_grad=True)
    exponent = tw.tensor([2.0, 0.0, 0.0], requires_grad=True)
    (base**exponent).sum().backward()
    assert base.grad.tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(exponent.grad.data, [0, 0, np.log(2)], rtol=1e-6)


def test_a_repeated_index_adds_its_gradients():
    def rows(x):
        return x[np.array([0, 2, 0])]

    assert gradient(rows, [1.0, 2.0, 3.0]) == [2.0, 0.0, 1.0]


def test_an_index_is_not_bound_to_the_array_it_came_in():
    index = np.array([0, 1])
    x = tw.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x[index]
    index[:] = 2
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.log(),
        lambda x: x.sqrt(),
        lambda x: x / 0.0,
        lambda x: (x * 1000).exp(),
        lambda x: x**-1,
    ],
)
def test_infinities_and_nans_come_without_a_warning(function):
    x = tw.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    function(x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("name", ["max", "min", "sum", "mean", "var", "relu", "tanh"])
def test_nan_stays_nan(name):
    assert np.isnan(getattr(tw.tensor([1.0, np.nan]), name)().data).any()


def test_empty_tensors():
    x = tw.tensor(np.zeros((0, 3), np.float32), requires_grad=True)
    y = (x * 2 + 1).sum(axis=0)
    assert y.tolist() == [0.0, 0.0, 0.0]
    (x @ tw.tensor(np.ones((3, 2), np.float32))).sum().backward()
    assert x.grad.shape == (0, 3)
    assert np.isnan(x.mean().item()) and np.isnan(x.var().item())
    with pytest.raises(ValueError, match=r"max: no element along axis 0 of shape"):
        x.max(0)


def test_a_long_float32_sum_keeps_its_digits():
    x = tw.tensor(np.full((1_000_003, 2), 0.1, np.float32))
    exact = float(np.float32(0.1)) * 1_000_003
    # One after the other they would come to 1e-2.
    np.testing.assert_allclose(x.sum(axis=0).data, exact, rtol=2e-6)
    np.testing.assert_allclose(x.sum().data, 2 * exact, rtol=2e-6)


X = tw.tensor(np.ones((2, 3), np.float32))
V = tw.tensor(np.ones(4, np.float32))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: X + V, r"add: shapes \(2, 3\) and \(4,\) do not broadcast"),
        (lambda: X - V, r"subtract: shapes \(2, 3\) and \(4,\) do not broadcast"),
        (lambda: X * V, r"multiply: shapes \(2, 3\) and \(4,\) do not broadcast"),
        (lambda: X / V, r"divide: shapes \(2, 3\) and \(4,\) do not broadcast"),
        (lambda: X**V, r"power: shapes \(2, 3\) and \(4,\) do not broadcast"),
        (lambda: X == V, r"equal: shapes \(2, 3\) and \(4,\) do not broadcast"),
        (lambda: V.data + X, r"add: shapes \(4,\) and \(2, 3\) do not broadcast"),
        (lambda: autograd.maximum(X, V), r"maximum: shapes \(2, 3\) and \(4,\)"),
        (lambda: autograd.where(X > 0, X, V), r"where: shapes \(2, 3\), \(2, 3\) and"),
        (lambda: X @ X, r"matmul: .*: a has 3 columns but b has 2 rows"),
        (lambda: X @ tw.tensor(1.0), r"matmul: arguments must have at least 1 dim"),
        (
            lambda: tw.tensor(np.ones((2, 3, 4))) @ np.ones((5, 4, 3)),
            r"matmul: leading axes of shapes \(2, 3, 4\) and \(5, 4, 3\)",
        ),
        (lambda: X.sum(2), r"sum: axis must be in \[-2, 2\) for 2 dimensions, got 2"),
        (lambda: X.mean((0, -2)), r"mean: axis must not name an axis twice"),
        (lambda: X.reshape(4, 2), r"reshape: 6 elements of shape \(2, 3\) do not fit"),
        (lambda: X.permute(0), r"permute: all 2 axes must be given, got \(0,\)"),
        (lambda: X.transpose(0, 2), r"transpose: axis must be in \[-2, 2\)"),
        (lambda: X.flatten(1, 0), r"flatten: start_axis must not lie after end_axis"),
        (lambda: X.unsqueeze(3), r"expand_dims: axis must be in \[-3, 3\)"),
        (lambda: X.broadcast_to(2, 4), r"broadcast_to: shape \(2, 3\) cannot be"),
        (lambda: autograd.concatenate([X, V]), r"concatenate: shapes must agree but"),
        (lambda: autograd.concatenate([]), r"concatenate: tensors must not be empty"),
        (lambda: autograd.stack([X, V]), r"stack: shapes must be equal, got \(2, 3\)"),
        (lambda: X.split(0), r"split: size must be at least 1, got 0"),
        (lambda: X.clip(), r"clip: low or high must be given"),
        (lambda: tw.tensor([2]) ** -1, r"power: integers cannot be raised to a neg"),
    ],
)
def test_wrong_shapes_and_values(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: X + "a", "unsupported operand"),
        (lambda: X + [1.0], "unsupported operand"),
        (lambda: X @ 2.0, "unsupported operand"),
        (lambda: X * 1j, "unsupported operand"),
        (lambda: X.sum("a"), "sum: axis must be an integer, got str"),
        (lambda: autograd.where(X, X, X), "where: condition must be of booleans"),
        (lambda: autograd.maximum(X, None), "maximum: arguments must be tensors"),
        (lambda: autograd.concatenate(X), "concatenate: tensors must be a list"),
        (lambda: np.exp(X), "does not support ufuncs"),
    ],
)
def test_wrong_types(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_an_index_out_of_bounds_is_an_index_error():
    with pytest.raises(IndexError, match=r"getitem: index 2 is out of .*\(2, 3\)"):
        X[2]
