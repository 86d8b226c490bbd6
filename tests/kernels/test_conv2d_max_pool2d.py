"""Convolution fused with max pooling: the same as one after the other, both ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, assert_agrees, drawn, relative_error

from tilewright import kernels
from tilewright.kernels.conformance.convolution import Problem


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("window", [2, 16])
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_fused_pooling_is_the_two_in_turn(
    backend: str, window: int, activation: str, rng: np.random.Generator
) -> None:
    x = rng.integers(-3, 4, (2, 20, 19, 3)).astype(np.float32)
    weight = rng.integers(-3, 4, (2, 2, 3, 9)).astype(np.float32)
    with kernels.backend(backend):
        y, indices = kernels.conv2d_max_pool2d(
            x, weight, window, activation=activation, pool_stride=3
        )
        whole = kernels.conv2d(x, weight)
        maxima, taps = kernels.max_pool2d(whole, window, stride=3)
        dx = kernels.max_pool2d_backward(y, indices, whole.shape, window, stride=3)
    if activation == "relu":
        dead = maxima <= 0
        # Windows of 256 pixels are dead only by a very rare chance.
        assert dead.any() or window == 16
        taps[dead] = kernels.no_gradient((window, window))
        maxima = np.maximum(maxima, 0)
    np.testing.assert_array_equal(y, maxima)
    np.testing.assert_array_equal(indices, taps)
    assert indices.dtype == taps.dtype
    if activation == "relu":
        assert (dx[whole <= 0] == 0).all()


@st.composite
def problem(draw) -> tuple[Problem, tuple[int, int], tuple[int, int] | None]:
    """A convolution, and the window and stride of a pooling that fits onto it."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 4]))
    d = Problem(
        draw(st.integers(0, 3)),
        draw(st.integers(7, 16)),
        draw(st.integers(7, 20)),
        groups * draw(st.integers(1, 12 // groups)),
        groups * draw(st.integers(1, 40 // groups)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 2)),
        draw(st.sampled_from([0, 1, "same"])),
        draw(st.integers(1, 2)),
        groups,
    )
    _, P, Q, _ = d.y
    window = draw(st.integers(1, min(4, P))), draw(st.integers(1, min(4, Q)))
    stride = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return d, window, stride


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    drawn_problem=problem(),
    activation=st.sampled_from(["none", "relu"]),
    seed=st.integers(0, 2**31),
)
def test_drawn_shapes(backend, drawn_problem, activation, seed) -> None:
    d, window, stride = drawn_problem
    rng = np.random.default_rng(seed)
    x, weight = (rng.standard_normal(s, np.float32) for s in (d.x, d.weight))
    options = {**d.steps, "pool_stride": stride}
    y, indices = kernels.conv2d_max_pool2d(
        x.astype(np.float64),
        weight.astype(np.float64),
        window,
        activation=activation,
        **options,
    )
    with kernels.backend(backend):
        got, _ = kernels.conv2d_max_pool2d(
            x, weight, window, activation=activation, **options
        )
    # Not the taps: rounding may decide between two that are all but equal.
    assert relative_error(got, y) < 2e-5
    dy = rng.standard_normal(y.shape, np.float32)
    function = "conv2d_max_pool2d_backward_input"
    assert_agrees(function, backend, dy, indices, weight, d.x, window, **options)
    function = "conv2d_max_pool2d_backward_weight"
    size = (d.R, d.S)
    assert_agrees(function, backend, x, dy, indices, size, window, **options)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("window", [2, 3])
def test_against_torch(backend: str, window: int, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    x = rng.standard_normal((4, 15, 14, 6), np.float32)
    weight = rng.standard_normal((3, 3, 6, 20), np.float32)
    bias = rng.standard_normal(20, np.float32)
    inputs = [
        torch.from_numpy(array).double().requires_grad_()
        for array in (x.transpose(0, 3, 1, 2), weight.transpose(3, 2, 0, 1), bias)
    ]
    wanted = functional.max_pool2d(
        functional.relu(functional.conv2d(*inputs, padding=1)), window
    )
    with kernels.backend(backend):
        y, indices = kernels.conv2d_max_pool2d(
            x, weight, window, bias=bias, padding=1, activation="relu"
        )
        dy = rng.standard_normal(y.shape, np.float32)
        dx = kernels.conv2d_max_pool2d_backward_input(
            dy, indices, weight, x.shape, window, padding=1
        )
        dweight, dbias = kernels.conv2d_max_pool2d_backward_weight(
            x, dy, indices, 3, window, padding=1
        )
    wanted.backward(torch.from_numpy(dy.transpose(0, 3, 1, 2)).double())
    pairs = (
        (y, wanted.detach().numpy().transpose(0, 2, 3, 1)),
        (dx, inputs[0].grad.numpy().transpose(0, 2, 3, 1)),
        (dweight, inputs[1].grad.numpy().transpose(2, 3, 1, 0)),
        (dbias, inputs[2].grad.numpy()),
    )
    assert all(relative_error(*pair) <= 2e-5 for pair in pairs)


FORWARD = {
    "x": np.ones((2, 6, 7, 4), np.float32),
    "weight": np.ones((3, 3, 4, 6), np.float32),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 5}, r"window \(5, 5\) is larger than the convolution's output"),
        ({"window": 0}, "window must be at least 1, got 0"),
        ({"window": 2, "pool_stride": 0}, "stride must be at least 1, got 0"),
        (
            {"window": 2, "activation": "tanh"},
            "activation must be one of 'none', 'relu",
        ),
    ],
)
def test_fused_pooling_refused(backend: str, options: dict, message: str) -> None:
    with kernels.backend(backend), pytest.raises(ValueError, match=message):
        kernels.conv2d_max_pool2d(**FORWARD, **options)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("window", [2, 16])
def test_codes_out_of_range(backend: str, window: int) -> None:
    x, weight = np.ones((1, 34, 34, 2), np.float32), np.ones((3, 3, 2, 3), np.float32)
    taps = window * window
    with kernels.backend(backend):
        y, good = kernels.conv2d_max_pool2d(x, weight, window)
        for code in (taps, 254) if window == 2 else (taps, -2, 2**31 - 1):
            bad = good.copy()
            bad[0, -1, 1, 2] = code
            message = rf": indices must be in \[0, {taps}\) .*got {code} at \(0, "
            with pytest.raises(ValueError, match=f"^conv.*backward_input{message}"):
                kernels.conv2d_max_pool2d_backward_input(
                    y, bad, weight, x.shape, window
                )
            with pytest.raises(ValueError, match=f"^conv.*backward_weight{message}"):
                kernels.conv2d_max_pool2d_backward_weight(x, y, bad, 3, window)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_refused(backend: str) -> None:
    x, weight = FORWARD.values()
    back_input = kernels.conv2d_max_pool2d_backward_input
    back_weight = kernels.conv2d_max_pool2d_backward_weight
    with kernels.backend(backend):
        y, indices = kernels.conv2d_max_pool2d(x, weight, 2)
        with pytest.raises(TypeError, match="indices must be uint8 for window"):
            back_input(y, indices.astype(np.int32), weight, x.shape, 2)
        with pytest.raises(TypeError, match="indices must be a NumPy array, got list"):
            back_weight(x, y, indices.tolist(), 3, 2)
        with pytest.raises(ValueError, match="indices must have dy's shape"):
            back_weight(x, y, indices[:1], 3, 2)
        with pytest.raises(ValueError, match=r"dy must have shape \(2, 2, 2, 6\)"):
            back_input(y[:, :1], indices, weight, x.shape, 2)
        with pytest.raises(ValueError, match=r"dy must have shape \(2, 2, 2, 6\)"):
            back_weight(x, y[:1], indices, 3, 2)
        with pytest.raises(ValueError, match=r"window \(6, 6\) is larger than"):
            back_input(y, indices, weight, x.shape, 6)
