"""gradcheck finds wrong gradients and names them."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright.autograd import Function, gradcheck


class WrongAtOne(Function):
    """Wrong in the gradient of b, at element (0, 1)."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved
        db = a * dy
        db[0, 1] += 1
        return b * dy, db


def test_input_element_and_values_are_named():
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    message = (
        r"gradient of input 1 is wrong in 1 of 2 elements; at \(0, 1\) it is "
        r"analytic 2\.\d+, numeric 1\.\d+"
    )
    with pytest.raises(AssertionError, match=message):
        gradcheck(WrongAtOne.apply, [a, b])
    tensors = [tw.tensor(a, requires_grad=True), tw.tensor(b)]
    assert gradcheck(WrongAtOne.apply, tensors)


def test_computes_in_float64_on_the_numpy_backend():
    seen = []

    def function(x):
        seen.append(x.dtype)
        return x.tanh()

    x = np.array([0.3], np.float32)
    assert gradcheck(function, x)
    assert set(seen) == {np.dtype(np.float64)}
    assert x.dtype == np.float32 and x[0] == np.float32(0.3)


def test_a_lost_gradient_is_found():
    with pytest.raises(AssertionError, match=r"input 0 .* analytic 0, numeric 4\."):
        gradcheck(lambda x: x.detach() * 4, np.array([1.0]))


def test_nan_is_not_right():
    class Nan(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, dy):
            return dy * np.nan

    with pytest.raises(AssertionError, match="analytic nan, numeric"):
        gradcheck(Nan.apply, np.array([1.0]))


def test_integer_inputs_are_passed_on():
    rows = np.array([1, 1, 0])
    assert gradcheck(lambda x, i: x[i], [np.ones((2, 3)), rows])
    with pytest.raises(TypeError, match="gradcheck: inputs must have one of floats"):
        gradcheck(lambda i: i, rows)


def test_the_result_must_be_a_tensor():
    with pytest.raises(TypeError, match="must return a Tensor, got float"):
        gradcheck(lambda x: 1.0, np.ones(1))
