"""Timed cases of matrix multiplication."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.bench.arrays import double, filters, normal
from tilewright.bench.case import Array, Case, Family, Inputs, Parameters, Prepared

# (m, n, k), what it is, whether a quick run has it.
_PLAIN: tuple[tuple[int, int, int, str, bool], ...] = (
    (64, 64, 64, "square", True),
    (128, 128, 128, "square", False),
    (256, 256, 256, "square", True),
    (512, 512, 512, "square", False),
    (1024, 1024, 1024, "square", True),
    (2048, 2048, 2048, "square", False),
    (127, 129, 131, "odd", False),
    (1000, 1000, 1000, "odd", False),
    (32, 64, 576, "MNIST CNN linear", True),
    (32, 10, 64, "MNIST CNN logits", True),
    (128, 64, 576, "MNIST CNN linear", False),
    (32, 128, 784, "perceptron", False),
    (128, 128, 784, "perceptron", True),
    (512, 512, 64, "attention scores", False),
    (197, 768, 768, "ViT-B projection", True),
    (256, 3072, 768, "transformer up", True),
    (256, 768, 3072, "transformer down", False),
    (128, 32000, 384, "vocabulary", False),
    (1, 1024, 1024, "batch 1", True),
    (1, 4096, 4096, "batch 1", False),
    (1, 1000, 2048, "ResNet-50 head, batch 1", False),
    (8, 4096, 1024, "batch 8", False),
    (4096, 16, 256, "skinny", False),
    (16, 4096, 256, "skinny", False),
)
# Gradients of y = x w: dx = dy w^T and dw = x^T dy.
_TRANSPOSED: tuple[tuple[int, int, int, bool, bool, str, bool], ...] = (
    (32, 576, 64, False, True, "MNIST CNN linear dx", False),
    (576, 64, 32, True, False, "MNIST CNN linear dw", True),
    (128, 784, 128, False, True, "perceptron dx", False),
    (784, 128, 128, True, False, "perceptron dw", False),
    (256, 768, 3072, False, True, "transformer up dx", False),
    (768, 3072, 256, True, False, "transformer up dw", True),
    (1024, 1024, 1024, False, True, "square", False),
    (1024, 1024, 1024, True, False, "square", False),
)
_FUSED: tuple[tuple[int, int, int, str, str, bool], ...] = (
    (32, 64, 576, "relu", "MNIST CNN linear", True),
    (128, 128, 784, "relu", "perceptron", True),
    (256, 3072, 768, "gelu", "transformer up", True),
    (1, 1000, 2048, "none", "ResNet-50 head, batch 1", False),
)


def cases() -> list[Case]:
    """The table of cases."""
    table = [_parameters(m, n, k, what, quick) for m, n, k, what, quick in _PLAIN]
    for m, n, k, ta, tb, what, quick in _TRANSPOSED:
        table.append(_parameters(m, n, k, what, quick, transpose_a=ta, transpose_b=tb))
    for m, n, k, activation, what, quick in _FUSED:
        table.append(
            _parameters(m, n, k, what, quick, bias=True, activation=activation)
        )
    return [make(parameters) for parameters in table]


def _parameters(
    m: int, n: int, k: int, what: str, quick: bool, **options: Any
) -> dict[str, Any]:
    plain = {
        "transpose_a": False,
        "transpose_b": False,
        "bias": False,
        "activation": "none",
    }
    return {"m": m, "n": n, "k": k, "what": what, "quick": quick, **plain, **options}


def make(p: Parameters) -> Case:
    """The case with these parameters."""
    m, n, k = p["m"], p["n"], p["k"]
    name = f"({m}, {n}, {k})"
    if p["transpose_a"] or p["transpose_b"]:
        name += " a^T b" if p["transpose_a"] else " a b^T"
    if p["bias"]:
        name += " + bias" + (f" + {p['activation']}" if _active(p) else "")
    return Case(
        family="gemm",
        name=f"{name} {p['what']}",
        group="gemm + bias + activation" if p["bias"] else "gemm",
        parameters=p,
        flops=2.0 * m * n * k,
        bytes=4.0 * (m * k + k * n + m * n),
        tolerance=1e-5,
        quick=p["quick"],
    )


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind."""
    return {**p, **{axis: min(p[axis], 37) for axis in "mnk"}}


def inputs(p: Parameters, rng: np.random.Generator) -> Inputs:
    """Matrices as a layer has them."""
    m, n, k = p["m"], p["n"], p["k"]
    arrays = {
        "a": normal(rng, *((k, m) if p["transpose_a"] else (m, k))),
        "b": filters(rng, k, n),
    }
    if p["transpose_b"]:
        arrays["b"] = np.ascontiguousarray(arrays["b"].T)
    if p["bias"]:
        arrays["bias"] = normal(rng, n)
    return arrays


def reference(p: Parameters, given: Inputs) -> list[Array]:
    """In float64, by the specification."""
    from tilewright import kernels

    options: dict[str, Any] = {**double(given), **_options(p)}
    with kernels.backend("numpy"):
        return [kernels.gemm(**options)]


def _active(p: Parameters) -> bool:
    return bool(p["activation"] != "none")


def _options(p: Parameters) -> dict[str, Any]:
    """What a caller would write: nothing that is so by default."""
    names = [name for name in ("transpose_a", "transpose_b") if p[name]]
    if _active(p):
        names.append("activation")
    return {name: p[name] for name in names}


def tilewright(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """Bias and activation are the multiplication's epilogue."""
    from tilewright import kernels

    a, b = given["a"], given["b"]
    options: dict[str, Any] = _options(p)
    if p["bias"]:
        options["bias"] = given["bias"]
    if not options:
        return Prepared(lambda: kernels.gemm(a, b), lambda y: [y])
    return Prepared(lambda: kernels.gemm(a, b, **options), lambda y: [y])


def by_numpy(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """NumPy's own multiplication, that is its BLAS; it has no erf for gelu."""
    a = given["a"].T if p["transpose_a"] else given["a"]
    b = given["b"].T if p["transpose_b"] else given["b"]
    bias = given.get("bias")
    if bias is None:
        return Prepared(lambda: np.matmul(a, b), lambda y: [y])
    if p["activation"] == "gelu":
        from tilewright import kernels

        def gelu() -> Array:
            with kernels.backend("numpy"):
                return kernels.activation(a @ b + bias, "gelu")

        return Prepared(gelu, lambda y: [y])

    def fused() -> Array:
        y: Array = np.matmul(a, b)
        y += bias
        return np.maximum(y, 0, out=y) if _active(p) else y

    return Prepared(fused, lambda y: [y])


def torch(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """`mm`, or `addmm` and the activation in place."""
    import torch

    tensors = {name: torch.from_numpy(x) for name, x in given.items()}
    a = tensors["a"].t() if p["transpose_a"] else tensors["a"]
    b = tensors["b"].t() if p["transpose_b"] else tensors["b"]
    bias = tensors.get("bias")
    if bias is None:
        return Prepared(lambda: torch.mm(a, b), lambda y: [y.numpy()])
    after = {
        "none": lambda y: y,
        "relu": torch.relu_,
        "gelu": torch.nn.functional.gelu,
    }[p["activation"]]
    return Prepared(lambda: after(torch.addmm(bias, a, b)), lambda y: [y.numpy()])


def jax(p: Parameters, given: Inputs, variant: str) -> Prepared:
    """One compiled function."""
    import jax

    after = {
        "none": lambda y: y,
        "relu": jax.nn.relu,
        "gelu": lambda y: jax.nn.gelu(y, approximate=False),
    }[p["activation"]]

    def product(a: Any, b: Any, bias: Any) -> Any:
        y = (a.T if p["transpose_a"] else a) @ (b.T if p["transpose_b"] else b)
        return after(y if bias is None else y + bias)

    compiled = jax.jit(product)
    placed = [
        None if x is None else jax.device_put(x)
        for x in (given["a"], given["b"], given.get("bias"))
    ]
    return Prepared(
        lambda: compiled(*placed).block_until_ready(), lambda y: [np.asarray(y)]
    )


FAMILY = Family(
    name="gemm",
    cases=cases,
    shrink=shrink,
    make=make,
    inputs=inputs,
    reference=reference,
    contestants={
        "tilewright": tilewright,
        "numpy": by_numpy,
        "torch": torch,
        "jax": jax,
    },
)
