"""The linear layer fused with its loss: beside its parts, PyTorch, and bad input."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from kernel_backends import BACKENDS

from tilewright import kernels
from tilewright.kernels.conformance.case import difference

OP = "linear_softmax_cross_entropy"


def arguments(rng, N: int = 50, size: int = 12, C: int = 33) -> dict:
    return {
        "x": rng.standard_normal((N, size), np.float32),
        "weight": rng.standard_normal((size, C), np.float32),
        "bias": rng.standard_normal(C, np.float32),
        "labels": rng.integers(0, C, N),
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("chunk_rows", [None, 7])
def test_against_torch(backend, reduction, chunk_rows, rng) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    call = arguments(rng)
    call["labels"][::4] = -1
    class_weight = rng.random(33, np.float32) + np.float32(0.1)
    names = "x", "weight", "bias"
    x, weight, bias = (
        torch.from_numpy(call[name]).double().requires_grad_() for name in names
    )
    wanted = torch.nn.functional.cross_entropy(
        x @ weight + bias,
        torch.from_numpy(call["labels"]),
        weight=torch.from_numpy(class_weight).double(),
        ignore_index=-1,
        label_smoothing=0.2,
        reduction=reduction,
    )
    wanted.backward()
    with kernels.backend(backend):
        loss, *gradients = kernels.linear_softmax_cross_entropy(
            **call,
            class_weight=class_weight,
            ignore_index=-1,
            label_smoothing=0.2,
            reduction=reduction,
            chunk_rows=chunk_rows,
        )
    assert difference(loss, wanted.detach().numpy(), 2e-6) is None
    for got, source in zip(gradients, (x, weight, bias), strict=True):
        assert difference(got, source.grad.numpy(), 5e-6) is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_chunk_is_its_parts(backend: str, rng) -> None:
    call = arguments(rng)
    with kernels.backend(backend):
        loss, dx, dweight, dbias = kernels.linear_softmax_cross_entropy(
            **call, reduction="sum"
        )
        logits = kernels.gemm(call["x"], call["weight"], bias=call["bias"])
        want, dlogits = kernels.softmax_cross_entropy(
            logits, call["labels"], reduction="sum"
        )
        assert loss == want
        assert np.array_equal(
            dx, kernels.gemm(dlogits, call["weight"], transpose_b=True)
        )
        whole = kernels.gemm(call["x"], dlogits, transpose_a=True)
        assert difference(dweight, whole.astype(np.float64), 1e-6) is None
        assert difference(dbias, dlogits.sum(0, np.float64), 1e-6) is None


def test_logits_never_exist_whole(rng) -> None:
    call = arguments(rng, N=512, size=4, C=4000)
    whole = 512 * 4000 * 4
    with kernels.backend("numpy"):
        tracemalloc.start()
        try:
            kernels.linear_softmax_cross_entropy(**call, chunk_rows=32)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most < whole / 2


REFUSED = [
    (
        {"weight": (5, 4)},
        r"x has 12 features but weight expects 5 \(x: \(50, 12\)",
    ),
    ({"weight": (12, 0)}, r"weight has 0 classes \(weight: \(12, 0\)\)"),
    ({"bias": (4,)}, r"bias must have shape \(33,\), got \(4,\)"),
    ({"class_weight": (4,)}, r"class_weight must have shape \(33,\), got \(4,\)"),
]
VALUES = [
    ({"labels": np.full(50, 33)}, r"labels must be in \[0, 33\), got 33 at position 0"),
    ({"labels": np.zeros(49, int)}, r"labels must have shape \(50,\), got \(49,\)"),
    ({"label_smoothing": 1.5}, r"label_smoothing must be in \[0, 1\], got 1.5"),
    ({"reduction": "none"}, "reduction must be one of 'mean', 'sum', got 'none'"),
    ({"chunk_rows": 0}, "chunk_rows must be at least 1, got 0"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({name: np.ones(shape, np.float32) for name, shape in one.items()}, text)
            for one, text in REFUSED
        ),
        *VALUES,
    ],
)
def test_refused(backend: str, changes: dict, message: str, rng) -> None:
    call = {**arguments(rng), **changes}
    with (
        kernels.backend(backend),
        pytest.raises(ValueError, match=f"^{OP}: .*{message}"),
    ):
        kernels.linear_softmax_cross_entropy(**call)
