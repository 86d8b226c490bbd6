"""conv2d and its backward passes: against loops, drawn shapes, PyTorch; errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, assert_agrees, drawn, relative_error

from tilewright import kernels
from tilewright.kernels.conformance.conv2d import Problem

PROBLEMS = (
    Problem(2, 5, 6, 3, 4),
    Problem(1, 6, 5, 2, 3, 2, 3, stride=(2, 1), padding=(1, 2)),
    Problem(1, 7, 7, 4, 6, dilation=2, groups=2, padding=1),
    Problem(1, 6, 7, 3, 3, 3, 2, padding="same", stride=2, groups=3),
    Problem(1, 2, 2, 1, 2, 3, 3, padding=3, stride=2),
)


def links(d: Problem):
    """Every (output, input, weight) index that a convolution multiplies and adds."""
    from tilewright.kernels import shapes

    geometry = shapes.conv(
        "conv2d", d.x, d.weight, d.stride, d.padding, d.dilation, d.groups
    )
    (sh, sw), ((top, _), (left, _)), (dh, dw), groups, y = geometry
    for n, p, q, k in np.ndindex(y):
        for r, s, c in np.ndindex(d.weight[:3]):
            h, w = p * sh + r * dh - top, q * sw + s * dw - left
            if 0 <= h < d.H and 0 <= w < d.W:
                channel = k // (d.K // groups) * d.weight[2] + c
                yield (n, p, q, k), (n, h, w, channel), (r, s, c, k)


@pytest.mark.parametrize("d", PROBLEMS, ids=str)
def test_the_oracle_is_seven_loops(d: Problem, rng: np.random.Generator) -> None:
    x, weight = rng.standard_normal(d.x), rng.standard_normal(d.weight)
    dy, bias = rng.standard_normal(d.y), rng.standard_normal(d.K)
    y = np.broadcast_to(bias, d.y).copy()
    dx, dweight = np.zeros(d.x), np.zeros(d.weight)
    for of_y, of_x, of_weight in links(d):
        y[of_y] += x[of_x] * weight[of_weight]
        dx[of_x] += dy[of_y] * weight[of_weight]
        dweight[of_weight] += dy[of_y] * x[of_x]
    got = kernels.conv2d(x, weight, bias=bias, **d.steps)
    np.testing.assert_allclose(got, y, rtol=1e-12, atol=1e-13)
    got = kernels.conv2d_backward_input(dy, weight, d.x, **d.steps)
    np.testing.assert_allclose(got, dx, rtol=1e-12, atol=1e-13)
    got, dbias = kernels.conv2d_backward_weight(x, dy, (d.R, d.S), **d.steps)
    np.testing.assert_allclose(got, dweight, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dbias, dy.sum((0, 1, 2)), rtol=1e-12, atol=1e-13)


@st.composite
def problem(draw) -> Problem:
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 8]))
    depthwise = groups > 1 and draw(st.booleans())
    C = groups * (1 if depthwise else draw(st.integers(1, 20 // groups)))
    K = groups * (1 if depthwise else draw(st.integers(1, 40 // groups)))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    padding = st.one_of(
        st.tuples(st.integers(0, 3), st.integers(0, 3)),
        st.sampled_from(["same", "valid"]),
    )
    d = Problem(
        draw(st.integers(0, 3)),
        draw(st.integers(1, 14)),
        draw(st.integers(1, 20)),
        C,
        K,
        draw(st.integers(1, 5)),
        draw(st.integers(1, 5)),
        draw(pair),
        draw(padding),
        draw(pair),
        groups,
    )
    try:
        assert d.y
    except ValueError:  # the kernel does not fit into the image
        assume(False)
    return d


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(d=problem(), seed=st.integers(0, 2**31))
def test_drawn_shapes(backend: str, d: Problem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, weight, dy = (rng.standard_normal(s, np.float32) for s in (d.x, d.weight, d.y))
    assert_agrees("conv2d", backend, x, weight, **d.steps)
    assert_agrees("conv2d_backward_input", backend, dy, weight, d.x, **d.steps)
    window = (d.R, d.S)
    assert_agrees("conv2d_backward_weight", backend, x, dy, window, **d.steps)


@pytest.mark.parametrize("backend", BACKENDS)
def test_against_torch(backend: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    for _ in range(30):
        groups = int(rng.choice([1, 1, 2, 5]))
        C, K = (groups * int(rng.integers(1, 1 + 30 // groups)) for _ in range(2))
        R, S = (int(v) for v in rng.integers(1, 5, 2))
        stride, padding, dilation = (
            (int(a), int(b))
            for a, b in (rng.integers(1, 4, 2), rng.integers(0, 3, 2), [1, 2])
        )
        x = rng.standard_normal((2, *rng.integers(8, 20, 2), C), np.float32)
        weight = rng.standard_normal((R, S, C // groups, K), np.float32)
        bias = rng.standard_normal(K, np.float32)
        steps = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
        inputs = [
            torch.from_numpy(array).double().requires_grad_()
            for array in (x.transpose(0, 3, 1, 2), weight.transpose(3, 2, 0, 1), bias)
        ]
        wanted = functional.conv2d(*inputs, **steps)
        with kernels.backend(backend):
            y = kernels.conv2d(x, weight, bias=bias, **steps)
            dy = rng.standard_normal(y.shape, np.float32)
            dx = kernels.conv2d_backward_input(dy, weight, x.shape, **steps)
            dweight, dbias = kernels.conv2d_backward_weight(x, dy, (R, S), **steps)
        wanted.backward(torch.from_numpy(dy.transpose(0, 3, 1, 2)).double())
        pairs = (
            (y, wanted.detach().numpy().transpose(0, 2, 3, 1)),
            (dx, inputs[0].grad.numpy().transpose(0, 2, 3, 1)),
            (dweight, inputs[1].grad.numpy().transpose(2, 3, 1, 0)),
            (dbias, inputs[2].grad.numpy()),
        )
        assert all(relative_error(*pair) <= 2e-5 for pair in pairs)


def test_output_shapes() -> None:
    for H, stride in itertools.product((7, 8, 9, 10), (1, 2, 3)):
        shape = kernels.conv_output_shape(
            (1, H, H, 4), (3, 5, 4, 2), padding="same", stride=stride
        )
        assert shape == (1, -(-H // stride), -(-H // stride), 2)
    assert kernels.conv_output_shape((1, 9, 9, 6), (3, 3, 2, 3)) == (1, 7, 7, 3)
    assert kernels.conv_output_shape((0, 3, 3, 1), (3, 3, 1, 1)) == (0, 1, 1, 1)


def arrays(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


FORWARD = {"x": (2, 6, 7, 4), "weight": (3, 3, 4, 6)}
REFUSED = [
    ({"weight": (3, 3, 3, 6)}, {}, r"x has 4 channels but weight expects 3 \(x: \(2, "),
    ({}, {"groups": 2}, r"expects 8 \(2 groups of 4\)"),
    ({"weight": (3, 3, 1, 6)}, {"groups": 4}, "6 output channels, which groups=4 does"),
    ({"weight": (7, 3, 4, 6)}, {}, r"weight reaches over 7x3 pixels but x has 6x7"),
    ({}, {"dilation": 4}, r"weight reaches over 9x9 pixels but x has 6x7, padding"),
    ({"weight": (0, 3, 4, 6)}, {}, "weight has 0 kernel rows"),
    ({"weight": (3, 0, 4, 6)}, {}, "weight has 0 kernel columns"),
    ({"weight": (3, 3, 0, 6)}, {}, "weight has 0 input channels"),
    ({"weight": (3, 3, 4, 0)}, {}, "weight has 0 output channels"),
    ({"x": (2, 6, 7, 0)}, {}, "x has 0 channels"),
    ({"x": (2, 0, 7, 4)}, {}, "x has 0x7, padding included"),
    ({}, {"stride": 0}, "stride must be at least 1, got 0"),
    ({}, {"stride": (1, -2)}, "stride must be at least 1, got -2"),
    ({}, {"stride": (1, 2, 3)}, r"stride must be an int or a pair of ints, got \(1, 2"),
    ({}, {"stride": 2**31}, "stride must be at most 2147483647, got 2147483648"),
    ({}, {"dilation": 2**40}, "dilation must be at most"),
    ({}, {"dilation": 2**31 - 1}, r"weight reaches over 4294967295x4294967295 pixels"),
    ({}, {"padding": -1}, "padding must be at least 0, got -1"),
    ({}, {"padding": "full"}, "padding must be an int, a pair of ints, 'valid' or 'sa"),
    ({}, {"padding": 2**31 - 1}, r"output of shape .* more than 2\*\*63-1 bytes"),
    ({}, {"groups": 0}, "groups must be at least 1, got 0"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("shapes", "options", "message"), REFUSED)
def test_refused(backend: str, shapes: dict, options: dict, message: str) -> None:
    call = {**arrays(**{**FORWARD, **shapes}), **options}
    with kernels.backend(backend):
        with pytest.raises(ValueError, match=f"^conv2d: .*{message}"):
            kernels.conv2d(**call)
        with pytest.raises(ValueError, match=f"^conv2d_max_pool2d: .*{message}"):
            kernels.conv2d_max_pool2d(window=1, **call)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["stride", "padding", "dilation", "groups"])
@pytest.mark.parametrize("value", [1.0, True, None, np.float32(1)])
def test_sizes_that_are_no_ints(backend: str, name: str, value: object) -> None:
    with kernels.backend(backend), pytest.raises(TypeError, match=f"{name} must be an"):
        kernels.conv2d(**arrays(**FORWARD), **{name: value})


@pytest.mark.parametrize("backend", BACKENDS)
def test_sizes_that_numpy_counted(backend: str) -> None:
    call = arrays(**FORWARD)
    with kernels.backend(backend):
        y = kernels.conv2d(**call, stride=np.int64(2), padding=(np.int8(1), 0))
    assert y.shape == (2, 3, 3, 6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backward_refused(backend: str) -> None:
    x, weight, dy = arrays(x=(2, 6, 7, 4), w=(3, 3, 4, 6), dy=(2, 4, 4, 6)).values()
    with kernels.backend(backend):
        message = r"^conv2d_backward_input: dy must have shape \(2, 4, 5, 6\), the conv"
        with pytest.raises(ValueError, match=message):
            kernels.conv2d_backward_input(dy, weight, x.shape)
        message = r"^conv2d_backward_weight: dy must have shape \(2, 4, 5, 6\), the con"
        with pytest.raises(ValueError, match=message):
            kernels.conv2d_backward_weight(x, dy, 3)
        with pytest.raises(ValueError, match="which groups=3 does not divide"):
            kernels.conv2d_backward_weight(x, dy, 3, groups=3)
        with pytest.raises(ValueError, match="input_shape must have 4 sizes"):
            kernels.conv2d_backward_input(dy, weight, x.shape[1:])
        with pytest.raises(TypeError, match="input_shape must be a tuple of 4 ints"):
            kernels.conv2d_backward_input(dy, weight, 3)
        with pytest.raises(ValueError, match="input_shape must be at least 0, got -1"):
            kernels.conv2d_backward_input(dy, weight, (-1, 6, 7, 4))
        with pytest.raises(
            ValueError, match=r"input_shape of shape .* 2\*\*63-1 bytes"
        ):
            kernels.conv2d_backward_input(dy, weight, (2**31, 2**31, 2**31, 4))
        with pytest.raises(ValueError, match="kernel_size must be at least 1, got 0"):
            kernels.conv2d_backward_weight(x, dy, 0)


@pytest.mark.parametrize("K", [48, 64, 70])
def test_outputs_larger_than_the_caches(K):
    """They go past the caches where their pixels begin lines, as 48 and 64 do."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 150, 140, 8), np.float32)
    weight = rng.standard_normal((1, 1, 8, K), np.float32)
    bias = rng.standard_normal(K, np.float32)
    y = kernels.conv2d(x, weight, bias=bias, activation="relu")
    assert y.nbytes > 16 << 20
    exact = np.maximum(x.reshape(-1, 8).astype(np.float64) @ weight[0, 0] + bias, 0)
    error = np.linalg.norm(y.reshape(-1, K) - exact) / np.linalg.norm(exact)
    assert error < 2e-6


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("C", [48, 50])
def test_large_gradients_of_groups(C, stride):
    """The same for groups of one channel: as the images one by one give them."""
    rng = np.random.default_rng(0)
    size = 75
    x = rng.standard_normal((18, size, size, C), np.float32)
    weight = rng.standard_normal((3, 3, 1, C), np.float32)
    assert x.nbytes > 16 << 20
    options = {"stride": stride, "padding": 1, "groups": C}
    y = kernels.conv2d(x, weight, activation="relu", **options)
    dx = kernels.conv2d_backward_input(y, weight, x.shape, **options)
    for i in range(len(x)):
        one = kernels.conv2d(x[i : i + 1], weight, activation="relu", **options)
        assert one.tobytes() == y[i : i + 1].tobytes()
        back = kernels.conv2d_backward_input(one, weight, (1, *x.shape[1:]), **options)
        assert back.tobytes() == dx[i : i + 1].tobytes()
