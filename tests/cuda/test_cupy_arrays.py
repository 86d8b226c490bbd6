"""CuPy's arrays through the interface: checks, dispatch, the adapters, the kernels."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from tilewright import kernels
from tilewright.errors import KernelError
from tilewright.kernels import conformance, dispatch

ROUTES = ["_cudasim", "_cudasim_ptx"]


@pytest.mark.parametrize("family", conformance.FAMILIES)
def test_conformance(cupy: ModuleType, family: str) -> None:
    found = [(case, case.problem("cuda")) for case in conformance.cases(family)]
    assert [f"{case}: {text}" for case, text in found if text is not None] == []


def test_selftest(cupy: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("typer", reason="the command line needs Typer")
    from tilewright import cli

    with pytest.raises(SystemExit) as ended:
        cli.main(["selftest", "--device", "cuda"])
    output = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0, output
    assert output[0].startswith("cuda  gemm") and output[-1].endswith("cases passed")


def test_choices_for_numpy_arrays_do_not_matter(cupy: ModuleType) -> None:
    a = cupy.asarray(np.eye(3, dtype=np.float32))
    with dispatch.backend("numpy"):
        result = kernels.gemm(a, a)
    assert type(result) is cupy.ndarray
    assert np.array_equal(cupy.asnumpy(result), np.eye(3))


def test_cuda_is_no_choice_for_numpy_arrays() -> None:
    with pytest.raises(ValueError, match="'cuda' computes on CuPy arrays, which go"):
        dispatch.use("cuda")


def test_float64_is_refused(cupy: ModuleType) -> None:
    a = cupy.asarray(np.eye(3))
    with pytest.raises(TypeError, match="gemm: on a GPU arrays must be float32, got"):
        kernels.gemm(a, a)


def test_two_memories_are_refused(cupy: ModuleType) -> None:
    host = np.eye(3, dtype=np.float32)
    device = cupy.asarray(host)
    with pytest.raises(TypeError, match="gemm: b must be a CuPy array like a, got a N"):
        kernels.gemm(device, host)
    with pytest.raises(TypeError, match="gemm: b must be a NumPy array like a, got a"):
        kernels.gemm(host, device)
    with pytest.raises(TypeError, match=r"adam_step: grads\[0\] must be a CuPy array"):
        kernels.adam_step([device], [host], [device], [device], step=1, lr=0.1)
    with pytest.raises(TypeError, match="labels must be a CuPy array like logits"):
        kernels.softmax_cross_entropy(device, np.zeros(3, np.int64))
    with pytest.raises(TypeError, match="all arrays must be CuPy arrays, got ndarray"):
        codes = np.zeros((1, 1, 1, 3), np.uint8)
        dy = cupy.asarray(np.ones((1, 1, 1, 3), np.float32))
        kernels.max_pool2d_backward(dy, codes, (1, 2, 2, 3), 2)


def test_out_must_not_overlap(cupy: ModuleType) -> None:
    a = cupy.asarray(np.eye(3, dtype=np.float32))
    with pytest.raises(ValueError, match="out must not share memory with a"):
        kernels.gemm(a, a, out=a)
    turned = cupy.asarray(np.zeros((3, 4), np.float32))[:, ::2]
    b = cupy.asarray(np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match="it is not C-contiguous$"):
        kernels.gemm(a, b, out=turned)


def test_a_wrong_label_is_nan_and_passes_no_gradient(cupy: ModuleType) -> None:
    logits = cupy.asarray(np.zeros((3, 4), np.float32))
    labels = cupy.asarray(np.array([1, 9, -2]))
    found = kernels.softmax_cross_entropy(logits, labels, reduction="none")
    loss, dlogits = map(cupy.asnumpy, found)
    assert np.isnan(loss).tolist() == [False, True, True]
    assert (dlogits[0] != 0).all() and (dlogits[1:] == 0).all()


def test_a_fault_of_a_kernel_is_an_error_of_ours(extension: ModuleType) -> None:
    small = (np.zeros(4, np.float32).ctypes.data, 16)
    with pytest.raises(ValueError, match="x: expected 5 aligned elements of 4 bytes"):
        extension.activation(5, small, "relu", 0.0, small, 0)
    assert issubclass(KernelError, Exception)
