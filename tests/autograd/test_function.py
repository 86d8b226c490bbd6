"""Operations that users write, and the contract of Function."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright.autograd import Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved
        return 3 * x**2 * dy


class Mixed(Function):
    """Three arguments, of which backward is asked for some."""

    @staticmethod
    def forward(ctx, a, b, c, *, factor):
        ctx.factor = factor
        ctx.save_for_backward(a, b)
        return a * b * factor

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved
        asked.append(ctx.needs_input_grad)
        return b * dy * ctx.factor, a * dy * ctx.factor, None


asked: list[tuple[bool, ...]] = []


def test_own_function():
    x = tw.tensor([2.0], requires_grad=True)
    y = Cube.apply(x)
    y.backward()
    assert y.tolist() == [8.0] and x.grad.tolist() == [12.0]


def test_arguments_of_all_kinds():
    asked.clear()
    a = tw.tensor([2.0], requires_grad=True)
    Mixed.apply(a, np.array([3.0], np.float32), "text", factor=10.0).backward()
    assert a.grad.tolist() == [30.0]
    assert asked == [(True, False, False)]


def test_nothing_is_recorded_for_constants():
    y = Cube.apply(tw.tensor([2.0]))
    assert not y.requires_grad and y.is_leaf
    with tw.no_grad():
        y = Cube.apply(tw.tensor([2.0], requires_grad=True))
    assert not y.requires_grad and y.is_leaf


def returning(result):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, dy):
            return result

    return Wrong


def test_a_wrong_number_of_gradients():
    y = returning((None, None)).apply(tw.tensor([1.0], requires_grad=True))
    message = "Wrong.backward: expected 1 gradients, one per argument .*, got 2"
    with pytest.raises(RuntimeError, match=message):
        y.backward()


@pytest.mark.parametrize("through_another", [False, True])
def test_a_gradient_of_another_shape(through_another):
    x = tw.tensor([1.0], requires_grad=True)
    y = returning(np.ones(3)).apply(x * 2 if through_another else x)
    message = r"Wrong.backward: gradient 0 has shape \(3,\), .* has shape \(1,\)"
    with pytest.raises(RuntimeError, match=message):
        y.backward()
    assert x.grad is None


def test_no_gradient_at_all():
    x = tw.tensor([1.0], requires_grad=True)
    returning(None).apply(x).backward()
    assert x.grad is None


def test_scalars_of_numpy_become_arrays():
    x = tw.tensor(2.0, requires_grad=True)
    y = Cube.apply(x)
    y.backward()
    assert type(y.data) is np.ndarray and type(x.grad.data) is np.ndarray


def test_a_saved_argument_may_not_change():
    x = tw.tensor([2.0], requires_grad=True)
    y = x * 1
    z = Cube.apply(y)
    y += 1
    with pytest.raises(
        RuntimeError,
        match=r"a tensor that Cube needs .* modified in place .*version 1, expected 0",
    ):
        z.backward()
    assert x.grad is None


def test_shared_memory_is_not_written_over():
    class Both(Function):
        gradient_memory = "shared"

        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, dy):
            return dy, dy

    a = tw.tensor([1.0, 2.0], requires_grad=True)
    b = tw.tensor([3.0, 4.0], requires_grad=True)
    # exp writes its gradient over dy where dy is its own.
    Both.apply(a.exp(), b.exp()).sum().backward()
    np.testing.assert_allclose(a.grad.data, np.exp(a.data), rtol=1e-6)
    np.testing.assert_allclose(b.grad.data, np.exp(b.data), rtol=1e-6)


def test_the_base_has_no_functions_of_its_own():
    with pytest.raises(NotImplementedError):
        Function.apply(tw.tensor([1.0]))
