"""Pooling: against loops, drawn shapes, PyTorch; codes and sizes out of range."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, assert_agrees, drawn, relative_error

from tilewright import kernels
from tilewright.kernels.conformance.pool2d import Problem

PROBLEMS = (
    Problem(2, 6, 7, 3, 2),
    Problem(1, 6, 7, 2, 3, 2, 1),
    Problem(1, 7, 6, 2, (3, 2), (1, 3), (1, 0)),
    Problem(1, 5, 5, 1, 5),
    Problem(1, 17, 16, 1, 16, 1, 3),
)


def pixels(d: Problem, p: int, q: int):
    """The taps of a window that are in the image, and their pixels."""
    window, stride, padding, _ = d.geometry
    for r, s in np.ndindex(window):
        h = p * stride[0] + r - padding[0][0]
        w = q * stride[1] + s - padding[1][0]
        if 0 <= h < d.H and 0 <= w < d.W:
            yield r * window[1] + s, h, w


@pytest.mark.parametrize("d", PROBLEMS, ids=str)
def test_the_oracle_of_max_pooling_is_loops(d: Problem, rng) -> None:
    x = rng.integers(-2, 3, d.x).astype(np.float64)
    x[rng.random(d.x) < 0.1] = np.nan
    x[rng.random(d.x) < 0.1] = -np.inf
    y, indices = kernels.max_pool2d(x, d.window, **d.steps)
    dy = rng.standard_normal(y.shape)
    dx = np.zeros(d.x)
    for n, p, q, c in np.ndindex(y.shape):
        best, tap, at = None, -1, (0, 0)
        for code, h, w in pixels(d, p, q):
            value = x[n, h, w, c]
            if best is None or value > best or (math.isnan(value) > math.isnan(best)):
                best, tap, at = value, code, (h, w)
        np.testing.assert_equal(y[n, p, q, c], best)
        assert indices[n, p, q, c] == tap
        dx[n, at[0], at[1], c] += dy[n, p, q, c]
    got = kernels.max_pool2d_backward(dy, indices, d.x, d.window, **d.steps)
    np.testing.assert_allclose(got, dx, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("d", PROBLEMS, ids=str)
def test_the_oracle_of_average_pooling_is_loops(d: Problem, counted, rng) -> None:
    x = rng.standard_normal(d.x)
    options = {**d.steps, "count_include_pad": counted}
    y = kernels.avg_pool2d(x, d.window, **options)
    dy = rng.standard_normal(y.shape)
    dx = np.zeros(d.x)
    window = d.geometry.window
    for p, q in np.ndindex(y.shape[1:3]):
        inside = list(pixels(d, p, q))
        count = window[0] * window[1] if counted else len(inside)
        total = sum(x[:, h, w] for _, h, w in inside)
        np.testing.assert_allclose(y[:, p, q], total / count, rtol=1e-12, atol=1e-14)
        for _, h, w in inside:
            dx[:, h, w] += dy[:, p, q] / count
    got = kernels.avg_pool2d_backward(dy, d.x, d.window, **options)
    np.testing.assert_allclose(got, dx, rtol=1e-12, atol=1e-14)


def test_global_pooling_is_one_window(rng) -> None:
    x = rng.standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(kernels.global_avg_pool2d(x), x.mean((1, 2)), rtol=1e-13)
    y, indices = kernels.global_max_pool2d(x)
    np.testing.assert_array_equal(y, x.max((1, 2)))
    np.testing.assert_array_equal(indices, x.reshape(2, 12, 5).argmax(1))
    dx = kernels.global_max_pool2d_backward(y, indices, x.shape)
    np.testing.assert_array_equal(dx, np.where(x == y[:, None, None], x, 0))
    dx = kernels.global_avg_pool2d_backward(y, x.shape)
    np.testing.assert_allclose(dx, np.broadcast_to(y[:, None, None] / 12, x.shape))


@st.composite
def problem(draw) -> Problem:
    window = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, size // 2)) for size in window)
    sizes = tuple(
        draw(st.integers(max(1, size - 2 * pad), 17))
        for size, pad in zip(window, padding, strict=True)
    )
    stride = draw(st.none() | st.tuples(st.integers(1, 6), st.integers(1, 6)))
    images, channels = draw(st.integers(0, 3)), draw(st.integers(1, 40))
    return Problem(images, *sizes, channels, window, stride, padding)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(d=problem(), counted=st.booleans(), seed=st.integers(0, 2**31))
def test_drawn_shapes(backend: str, d: Problem, counted: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, d.x).astype(np.float32)
    assert_agrees("max_pool2d", backend, x, d.window, **d.steps)
    _, indices = kernels.max_pool2d(x, d.window, **d.steps)
    dy = rng.standard_normal(indices.shape, np.float32)
    steps, options = d.steps, {**d.steps, "count_include_pad": counted}
    assert_agrees("max_pool2d_backward", backend, dy, indices, d.x, d.window, **steps)
    assert_agrees("avg_pool2d", backend, x, d.window, **options)
    assert_agrees("avg_pool2d_backward", backend, dy, d.x, d.window, **options)


@pytest.mark.parametrize("backend", BACKENDS)
def test_against_torch(backend: str, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    for window, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)):
        x = rng.standard_normal((2, 13, 14, 19), np.float32)
        holed = np.where(rng.random(x.shape) < 0.01, np.float32(np.nan), x)
        source, holes = (
            torch.from_numpy(array.transpose(0, 3, 1, 2)).double()
            for array in (x, holed)
        )
        steps = {"stride": stride, "padding": padding}
        with kernels.backend(backend):
            y, indices = kernels.max_pool2d(x, window, **steps)
            dy = rng.standard_normal(y.shape, np.float32)
            dx = kernels.max_pool2d_backward(dy, indices, x.shape, window, **steps)
            y_holed, _ = kernels.max_pool2d(holed, window, **steps)
            means = [
                kernels.avg_pool2d(x, window, **steps, count_include_pad=counted)
                for counted in (True, False)
            ]
        source.requires_grad_()
        wanted = functional.max_pool2d(source, window, stride, padding)
        wanted.backward(torch.from_numpy(dy.transpose(0, 3, 1, 2)).double())
        assert (y == wanted.detach().numpy().transpose(0, 2, 3, 1)).all()
        assert relative_error(dx, source.grad.numpy().transpose(0, 2, 3, 1)) < 1e-6
        wanted = functional.max_pool2d(holes, window, stride, padding)
        np.testing.assert_array_equal(y_holed, wanted.numpy().transpose(0, 2, 3, 1))
        for mean, counted in zip(means, (True, False), strict=True):
            wanted = functional.avg_pool2d(
                source.detach(), window, stride, padding, count_include_pad=counted
            )
            assert relative_error(mean, wanted.numpy().transpose(0, 2, 3, 1)) < 1e-6


X = np.ones((2, 6, 7, 3), np.float32)
REFUSED = [
    ({"window": 0}, "window must be at least 1, got 0"),
    ({"window": (2, 2, 2)}, "window must be an int or a pair of ints"),
    ({"window": 8}, r"window \(8, 8\) is larger than x with padding \(0, 0\) \(x: "),
    ({"window": 2, "stride": 0}, "stride must be at least 1, got 0"),
    ({"window": 2, "padding": -1}, "padding must be at least 0, got -1"),
    ({"window": 2, "padding": 2}, r"at most half of the window, got padding \(2, 2\)"),
    ({"window": 3, "padding": (1, 2)}, "at most half of the window"),
    ({"window": 2**31}, "window must be at most 2147483647"),
    ({"window": 2, "stride": 2**31}, "stride must be at most 2147483647"),
    ({"window": 2**30, "padding": 2**29}, r"more than 2\*\*31-1 taps"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused(backend: str, function: str, options: dict, message: str) -> None:
    call = getattr(kernels, function)
    with kernels.backend(backend):
        with pytest.raises(ValueError, match=f"^{function}: .*{message}"):
            call(X, **options)
        with pytest.raises(ValueError, match=f"^{function}: x has 0 channels"):
            call(X[..., :0], 2)
        with pytest.raises(TypeError, match=f"^{function}: window must be an int, got"):
            call(X, 2.0)
        with pytest.raises(
            TypeError, match=f"^{function}: padding must be an int, got"
        ):
            call(X, 2, padding="same")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("window", [2, 16])
def test_codes_out_of_range(backend: str, window: int) -> None:
    x = np.ones((1, 32, 34, 3), np.float32)
    taps = window * window
    with kernels.backend(backend):
        y, good = kernels.max_pool2d(x, window)
        small = good.dtype == np.uint8
        bad_codes = (taps, 254) if small else (taps, -2, 2**31 - 1, -(2**31))
        for code in bad_codes:
            bad = good.copy()
            bad[0, -1, 1, 2] = code
            spot = rf"\(0, {y.shape[1] - 1}, 1, 2\)"
            with pytest.raises(
                ValueError,
                match=rf"^max_pool2d_backward: indices must be in \[0, {taps}\) .*"
                rf"got {code} at {spot}",
            ):
                kernels.max_pool2d_backward(y, bad, x.shape, window)
        dead = np.full_like(good, kernels.no_gradient((window, window)))
        dx = kernels.max_pool2d_backward(y, dead, x.shape, window)
        assert not dx.any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_refused(backend: str) -> None:
    op = "max_pool2d_backward"
    with kernels.backend(backend):
        y, indices = kernels.max_pool2d(X, 2)
        back = kernels.max_pool2d_backward
        with pytest.raises(TypeError, match=f"^{op}: indices must be uint8 for window"):
            back(y, indices.astype(np.int32), X.shape, 2)
        with pytest.raises(TypeError, match=f"^{op}: indices must be a NumPy array"):
            back(y, indices.tolist(), X.shape, 2)
        with pytest.raises(ValueError, match=f"^{op}: indices must have dy's shape"):
            back(y, indices[:1], X.shape, 2)
        with pytest.raises(
            ValueError, match=rf"^{op}: dy must have shape \(2, 3, 3, 3"
        ):
            back(y[:, :2], indices, X.shape, 2)
        with pytest.raises(ValueError, match=rf"^{op}: input_shape of shape .*2\*\*63"):
            back(y, indices, (2**31, 2**31, 2**31, 3), 2)
        big = np.zeros((1, 1, 1, 3), ">i4")
        with pytest.raises(TypeError, match=f"^{op}: indices must be int32 for window"):
            back(y[:1, :1, :1], big, (1, 16, 16, 3), 16)


@pytest.mark.parametrize("backend", BACKENDS)
def test_global_pooling_refused(backend: str) -> None:
    with kernels.backend(backend):
        for function in ("global_avg_pool2d", "global_max_pool2d"):
            with pytest.raises(ValueError, match=f"^{function}: x has no pixels"):
                getattr(kernels, function)(X[:, :0])
        op = "global_avg_pool2d_backward"
        with pytest.raises(ValueError, match=rf"^{op}: dy must have shape \(2, 3\)"):
            kernels.global_avg_pool2d_backward(X[:, 0, 0, :2], X.shape)
        y, indices = kernels.global_max_pool2d(X)
        op = "global_max_pool2d_backward"
        with pytest.raises(ValueError, match=rf"^{op}: indices must be in \[0, 42\)"):
            kernels.global_max_pool2d_backward(y, indices + np.uint8(42), X.shape)
        with pytest.raises(TypeError, match=f"^{op}: indices must be uint8 for an"):
            kernels.global_max_pool2d_backward(y, indices.astype(np.int64), X.shape)
        with pytest.raises(ValueError, match=f"^{op}: indices must have dy's shape"):
            kernels.global_max_pool2d_backward(y, indices[:1], X.shape)
