"""gemm: against loops, drawn shapes, PyTorch; its own errors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_backends import BACKENDS, SANITIZED, assert_agrees, drawn, relative_error

from tilewright import kernels
from tilewright.kernels.gemm import ACTIVATIONS

SCALAR = {
    "none": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("transpose_a", "transpose_b"), list(itertools.product((False, True), repeat=2))
)
def test_the_oracle_is_three_loops(
    rng: np.random.Generator, transpose_a: bool, transpose_b: bool, activation: str
) -> None:
    M, N, K = 3, 4, 5
    a, b = rng.standard_normal((M, K)), rng.standard_normal((K, N))
    bias, out = rng.standard_normal(N), rng.standard_normal((M, N))
    wanted = np.empty((M, N))
    for i, j in itertools.product(range(M), range(N)):
        total = bias[j] + out[i, j] + sum(a[i, k] * b[k, j] for k in range(K))
        wanted[i, j] = SCALAR[activation](total)
    result = kernels.gemm(
        np.ascontiguousarray(a.T) if transpose_a else a,
        np.ascontiguousarray(b.T) if transpose_b else b,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        bias=bias,
        activation=activation,
        out=out,
        accumulate=True,
    )
    assert result is out and result.dtype == np.float64
    np.testing.assert_allclose(result, wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("backend", BACKENDS)
@drawn
@given(
    sizes=st.tuples(st.integers(0, 40), st.integers(0, 70), st.integers(0, 90)),
    transposed=st.tuples(st.booleans(), st.booleans()),
    biased=st.booleans(),
    activation=st.sampled_from(ACTIVATIONS),
    seed=st.integers(0, 2**31),
)
def test_drawn_shapes(backend, sizes, transposed, biased, activation, seed) -> None:
    M, N, K = sizes
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((K, M) if transposed[0] else (M, K), np.float32)
    b = rng.standard_normal((N, K) if transposed[1] else (K, N), np.float32)
    assert_agrees(
        "gemm",
        backend,
        a,
        b,
        transpose_a=transposed[0],
        transpose_b=transposed[1],
        bias=rng.standard_normal(N, np.float32) if biased else None,
        activation=activation,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_against_torch(backend: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    for _ in range(40):
        M, N, K = rng.integers(1, 200, 3)
        a, b = (rng.standard_normal(s, np.float32) for s in ((M, K), (K, N)))
        bias = rng.standard_normal(N, np.float32)
        wanted = torch.addmm(*(torch.from_numpy(v).double() for v in (bias, a, b)))
        with kernels.backend(backend):
            plain = kernels.gemm(a, b, bias=bias)
            gelu = kernels.gemm(a, b, bias=bias, activation="gelu")
        assert relative_error(plain, wanted.numpy()) <= 2e-6
        smooth = torch.nn.functional.gelu(wanted).numpy()
        assert relative_error(gelu, smooth) <= 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"b": (4, 2)},
            r"gemm: a has 3 columns but b has 4 rows \(a: \(2, 3\), b: \(4, 2\)\)",
        ),
        (
            {"transpose_a": True},
            r"gemm: a has 2 columns but b has 3 rows \(a: \(2, 3\) transposed, b: ",
        ),
        ({"transpose_b": True}, r"b has 4 rows .*b: \(3, 4\) transposed\)"),
        ({"bias": (3,)}, r"gemm: bias must have shape \(4,\), got \(3,\) \(b: "),
        ({"bias": (1, 4)}, r"gemm: bias must have shape \(4,\), got \(1, 4\)"),
        ({"activation": "swish"}, "gemm: activation must be one of 'none', .* 'swish'"),
        ({"activation": None}, "gemm: activation must be one of .*, got None"),
        ({"accumulate": True}, "gemm: accumulate=True needs out"),
        ({"out": (4, 2)}, r"gemm: out must have shape \(2, 4\), got \(4, 2\)"),
    ],
)
def test_refused(backend: str, arguments: dict, message: str) -> None:
    call = {"a": (2, 3), "b": (3, 4), **arguments}
    call = {
        name: np.ones(value, np.float32) if isinstance(value, tuple) else value
        for name, value in call.items()
    }
    with kernels.backend(backend), pytest.raises(ValueError, match=message):
        kernels.gemm(**call)


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_too_large(backend: str) -> None:
    tall, wide = np.ones((2**33, 0), np.float32), np.ones((0, 2**33), np.float32)
    with kernels.backend(backend):
        with pytest.raises(ValueError, match=r"gemm: output of shape .* 2\*\*63-1 byt"):
            kernels.gemm(tall, wide)
        if SANITIZED:
            pytest.skip("AddressSanitizer aborts where memory runs out")
        with pytest.raises((MemoryError, ValueError)):
            kernels.gemm(tall[: 2**30], wide[:, : 2**22])
