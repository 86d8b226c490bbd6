"""Activations, dropout, sums, arithmetic: against definitions, PyTorch; errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import (
    BACKENDS,
    ISAS,
    assert_agrees,
    drawn,
    needs_extension,
    relative_error,
)

from tilewright import kernels
from tilewright.kernels.conformance.elementwise import saved_for
from tilewright.kernels.elementwise import KINDS, OPERATIONS
from tilewright.philox import philox

SCALAR = {
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_oracle_is_the_definition(kind: str) -> None:
    # No 0, where relu has no derivative.
    x = np.linspace(-6, 6, 50)
    dy = np.cos(x)
    y = kernels.activation(x, kind)
    np.testing.assert_allclose(y, [SCALAR[kind](v) for v in x], rtol=1e-9, atol=1e-15)
    saved = x if kind == "gelu" else y
    dx = kernels.activation_backward(dy, saved, kind)
    h = 1e-6
    slope = [(SCALAR[kind](v + h) - SCALAR[kind](v - h)) / (2 * h) for v in x]
    np.testing.assert_allclose(dx, dy * slope, atol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    shape=st.lists(st.integers(0, 20), max_size=3).map(tuple),
    kind=st.sampled_from(KINDS),
    slope=st.sampled_from([0.0, 0.01, 0.5]),
    seed=st.integers(0, 2**31),
)
def test_drawn_activations(backend, shape, kind, slope, seed) -> None:
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.standard_normal(shape, np.float32))
    dy = np.asarray(rng.standard_normal(shape, np.float32))
    assert_agrees("activation", backend, x, kind, negative_slope=slope)
    saved = np.asarray(saved_for(x, kind, slope))
    assert_agrees("activation_backward", backend, dy, saved, kind, negative_slope=slope)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_against_torch(backend: str, kind: str, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, dy = rng.standard_normal((2, 1000)).astype(np.float32)
    source = torch.from_numpy(x).double().requires_grad_()
    apply = getattr(torch.nn.functional, kind, None) or getattr(torch, kind)
    wanted = apply(source)
    wanted.backward(torch.from_numpy(dy).double())
    with kernels.backend(backend):
        y = kernels.activation(x, kind)
        saved = x if kind == "gelu" else y
        dx = kernels.activation_backward(dy, saved, kind)
    assert relative_error(y, wanted.detach().numpy()) < 1e-6
    assert relative_error(dx, source.grad.numpy()) < 1e-6


# Results above 16 MiB go past the caches, where their rows begin lines.
@needs_extension
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [(70_001, 64), (67_003, 67), (4_500_001,)])
def test_large_results_have_the_bits_of_small_ones(isa: str, shape, rng) -> None:
    x, dy = rng.standard_normal((2, *shape), np.float32)
    row = rng.standard_normal(shape[1:], np.float32)
    calls = [
        lambda part: kernels.activation(x[part], "gelu"),
        lambda part: kernels.activation_backward(dy[part], x[part], "relu"),
        lambda part: kernels.arithmetic(x[part], dy[part], "add"),
        lambda part: kernels.arithmetic(x[part], row, "multiply"),
        lambda part: kernels.arithmetic(2.0, x[part], "subtract"),
    ]
    parts = [slice(i, i + shape[0] // 5) for i in range(0, shape[0], shape[0] // 5)]
    with kernels.backend("cpu"), kernels.use_isa(isa):
        for call in calls:
            whole = call(slice(None))
            assert whole.nbytes > 16 << 20
            pieces = [call(part) for part in parts]
            assert whole.tobytes() == np.concatenate(pieces).tobytes()


# Philox4x32-10: known answers of its authors' library, by their counter and key.
KNOWN = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def plain_philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """The ten rounds, a number at a time."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        low, high = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (high >> 32) ^ c1 ^ k0,
            high & 0xFFFFFFFF,
            (low >> 32) ^ c3 ^ k1,
            low & 0xFFFFFFFF,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_plain_philox_gives_the_known_answers(counter, key, words) -> None:
    assert plain_philox(counter, key) == words


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("offset", [0, 2**32 - 2, 2**64 - 2])
def test_philox_is_plain_philox(seed: int, offset: int) -> None:
    wanted = [
        plain_philox((at & 0xFFFFFFFF, at >> 32, 0, 0), (seed & 0xFFFFFFFF, seed >> 32))
        for at in ((offset + i) % 2**64 for i in range(4))
    ]
    low = np.arange(4, dtype=np.uint64) + np.uint64(offset)
    assert philox(seed, low).tolist() == [list(words) for words in wanted]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words) -> None:
    low, high = (counter[i] | counter[i + 1] << 32 for i in (0, 2))
    given = philox(key[0] | key[1] << 32, np.array([low], np.uint64), high)
    assert given.tolist() == [list(words)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [1, 3, 4, 5, 63, 64, 65, 1000])
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_dropout_keeps_what_its_docstring_says(backend, size, p) -> None:
    x = np.arange(1, size + 1, dtype=np.float32)
    with kernels.backend(backend):
        y = kernels.dropout(x, p, seed=123456789012, offset=7)
    counters = np.arange(7, 7 + -(-size // 4), dtype=np.uint64)
    uniform = (philox(123456789012, counters).ravel()[:size] >> 8) / 2**24
    kept = uniform >= p
    np.testing.assert_array_equal(y != 0, kept)
    np.testing.assert_allclose(y[kept], x[kept] / (1 - p) if p < 1 else [], rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_dropout_goes_on_where_another_ended(backend: str) -> None:
    x = np.ones(100, np.float32)
    with kernels.backend(backend):
        whole = kernels.dropout(x, 0.5, seed=3, offset=10)
        first = kernels.dropout(x[:40], 0.5, seed=3, offset=10)
        rest = kernels.dropout(x[40:], 0.5, seed=3, offset=20)
        other = kernels.dropout(x, 0.5, seed=4, offset=10)
    np.testing.assert_array_equal(whole, np.concatenate([first, rest]))
    assert (whole != other).any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_drops_its_share(backend: str, p: float) -> None:
    x = np.ones(200_000, np.float32)
    with kernels.backend(backend):
        y = kernels.dropout(x, p, seed=1)
    # Four standard deviations.
    assert abs((y == 0).mean() - p) < 4 * math.sqrt(p * (1 - p) / x.size)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    shape=st.lists(st.integers(0, 12), min_size=1, max_size=4).map(tuple),
    seed=st.integers(0, 2**31),
)
def test_drawn_bias_gradients(backend: str, shape, seed: int) -> None:
    dy = np.random.default_rng(seed).standard_normal(shape, np.float32)
    # Not about 0, where a sum has no relative error.
    assert_agrees("bias_gradient", backend, dy + np.float32(3))


broadcastable = st.lists(st.integers(0, 6), max_size=4).flatmap(
    lambda shape: st.tuples(
        *(st.tuples(*(st.sampled_from([n, n, 1]) for n in shape)) for _ in range(2))
    )
)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    shapes=broadcastable,
    dropped=st.integers(0, 4),
    kind=st.sampled_from(OPERATIONS),
    seed=st.integers(0, 2**31),
)
def test_drawn_arithmetic_is_numpys_to_the_bit(
    backend, shapes, dropped, kind, seed
) -> None:
    rng = np.random.default_rng(seed)
    a = np.asarray(rng.standard_normal(shapes[0], np.float32))
    b = np.asarray(rng.standard_normal(shapes[1][dropped:], np.float32))
    with kernels.backend(backend):
        one, other = kernels.arithmetic(a, b, kind), kernels.arithmetic(b, a, kind)
    for got, wanted in (
        (one, np.asarray(getattr(np, kind)(a, b))),
        (other, np.asarray(getattr(np, kind)(b, a))),
    ):
        assert got.shape == wanted.shape
        assert got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    shape=st.lists(st.integers(0, 9), max_size=4).map(tuple),
    data=st.data(),
    seed=st.integers(0, 2**31),
)
def test_drawn_copies_and_sums(backend, shape, data, seed) -> None:
    x = np.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))
    order = data.draw(st.permutations(range(x.ndim)))
    steps = data.draw(st.tuples(*(st.sampled_from([1, -1, 2]) for _ in shape)))
    strided = x.transpose(order)[tuple(slice(None, None, step) for step in steps)]
    view = np.asarray(strided)
    with kernels.backend(backend):
        copied = kernels.copy(view)
        into = np.zeros((*view.shape, 2), np.float32)
        kernels.copy(view, out=into[..., 1])
    np.testing.assert_array_equal(copied, view)
    assert copied.flags.c_contiguous
    np.testing.assert_array_equal(into[..., 1], view)
    assert not into[..., 0].any()
    axes = data.draw(st.sets(st.integers(0, x.ndim - 1)) if x.ndim else st.just(set()))
    assert_agrees("axis_sum", backend, np.asarray(view + np.float32(9)), tuple(axes))


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_axes_than_loops(backend: str) -> None:
    x = np.arange(2**10, dtype=np.float32).reshape((2,) * 10)
    with kernels.backend(backend):
        turned = kernels.copy(x.T)
        doubled = kernels.arithmetic(x.T, x, "add")
        joined = kernels.concatenate([x.T, x], 9)
    np.testing.assert_array_equal(turned, x.T)
    np.testing.assert_array_equal(doubled, x.T + x)
    np.testing.assert_array_equal(joined, np.concatenate([x.T, x], 9))


X = np.ones((2, 3), np.float32)
REFUSED = [
    ("activation", (X, "swish"), {}, "kind must be one of 'relu', .* got 'swish'"),
    ("activation", (X, "none"), {}, "kind must be one of .* got 'none'"),
    ("activation", (X, None), {}, "kind must be one of .* got None"),
    (
        "activation",
        (X, "leaky_relu"),
        {"negative_slope": -1.0},
        "negative_slope must be finite and at least 0",
    ),
    ("activation_backward", (X, X[:1], "relu"), {}, r"saved must have shape \(2, 3\)"),
    ("activation_backward", (X, X, "elu"), {}, "kind must be one of"),
    ("dropout", (X, 1.1), {"seed": 0}, r"p must be in \[0, 1\], got 1.1"),
    ("dropout", (X, -0.1), {"seed": 0}, r"p must be in \[0, 1\], got -0.1"),
    ("dropout", (X, math.nan), {"seed": 0}, r"p must be in \[0, 1\], got nan"),
    ("dropout", (X, 0.5), {"seed": -1}, "seed must be at least 0, got -1"),
    ("dropout", (X, 0.5), {"seed": 2**64}, "seed must be at most 18446744073709551615"),
    ("dropout", (X, 0.5), {"seed": 0, "offset": 2**64}, "offset must be at most"),
    ("bias_gradient", (np.ones((), np.float32),), {}, "dy must have at least 1 dim"),
    ("axis_sum", (X, 2), {}, "axes must be at most 1, got 2"),
    ("axis_sum", (X, (0, -2)), {}, r"axes must not repeat, got \(0, -2\)"),
    ("arithmetic", (X, X[:, :2], "add"), {}, r"shapes \(2, 3\) and \(2, 2\) do not"),
    ("arithmetic", (X, X, "power"), {}, "kind must be one of 'add', .* got 'power'"),
    ("arithmetic", (X, 1, "add"), {"out": X[:1]}, r"out must have shape \(2, 3\)"),
    ("arithmetic", (X, X[0], "add"), {"out": X[::-1]}, "out must be C-contiguous"),
    ("copy", (X,), {"out": X}, "out must not share memory with x"),
    ("copy", (X,), {"out": X.T}, r"out must have shape \(2, 3\), got \(3, 2\)"),
    ("concatenate", ([],), {}, "arrays must not be empty"),
    ("concatenate", ([X], 2), {}, "axis must be at most 1, got 2"),
    ("concatenate", ([X, X[:, :2]],), {}, "array 1 must have the shape .* axis 0, got"),
    ("concatenate", ([X, X[0]],), {}, r"array 1 must have .* got \(3,\)"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("function", "args", "options", "message"), REFUSED)
def test_refused(backend, function, args, options, message) -> None:
    with (
        kernels.backend(backend),
        pytest.raises(ValueError, match=f"^{function}: {message}"),
    ):
        getattr(kernels, function)(*args, **options)


@pytest.mark.parametrize("backend", BACKENDS)
def test_types_refused(backend: str) -> None:
    with kernels.backend(backend):
        with pytest.raises(TypeError, match="^dropout: seed must be an int, got float"):
            kernels.dropout(X, 0.5, seed=1.0)
        with pytest.raises(TypeError, match="^dropout: p must be a number, got str"):
            kernels.dropout(X, "0.5", seed=1)
        with pytest.raises(
            TypeError, match="negative_slope must be a number, got None"
        ):
            kernels.activation(X, "leaky_relu", negative_slope=None)
        with pytest.raises(TypeError, match="^arithmetic: a or b must be a NumPy arr"):
            kernels.arithmetic(1.0, 2.0, "add")
        with pytest.raises(TypeError, match="^arithmetic: b must be a NumPy array, g"):
            kernels.arithmetic(X, "1", "add")
        with pytest.raises(TypeError, match="^copy: out must be float32 like x, got"):
            kernels.copy(X, out=np.ones((2, 3)))
        with pytest.raises(TypeError, match="^concatenate: arrays must be a list, got"):
            kernels.concatenate(X)
        with pytest.raises(TypeError, match="^concatenate: array 1 must be float32 li"):
            kernels.concatenate([X, X.astype(np.float64)])
