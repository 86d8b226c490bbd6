"""A kernel flushes denormals inside its scope and leaves the process as it was."""

from __future__ import annotations

import numpy as np
import pytest

import tilewright as tw
from tilewright import kernels

DENORMAL = np.full(64, 1e-40, np.float32)


def denormals_survive() -> bool:
    return bool(((DENORMAL * np.float32(0.5)) != 0).all())


@pytest.fixture(params=[1, 3], ids="{} threads".format)
def threads(request: pytest.FixtureRequest):
    before = tw.get_num_threads()
    tw.set_num_threads(request.param)
    yield request.param
    tw.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_mode_is_restored() -> None:
    assert denormals_survive(), "something else has set the mode before"
    x = np.random.default_rng(0).random((256, 256), dtype=np.float32)
    with tw.backend("cpu"):
        kernels.gemm(x, x)
        kernels.softmax(x)
        kernels.activation(x, "gelu")
        kernels.max_pool2d(x.reshape(1, 16, 16, 256), 2)
    assert denormals_survive()


@pytest.mark.usefixtures("threads")
def test_mode_is_restored_after_an_error() -> None:
    from tilewright import _cpu

    a, b = np.ones((4, 5), np.float32), np.ones((6, 7), np.float32)
    with pytest.raises(ValueError):
        _cpu.gemm(a, b, False, False, None, "none", None, False)
    assert denormals_survive()


def test_denormal_operands_are_near_zero() -> None:
    a = np.full((32, 32), 1e-40, np.float32)
    with tw.backend("cpu"):
        product = kernels.gemm(a, np.eye(32, dtype=np.float32))
    np.testing.assert_allclose(product, 0, atol=2e-40)
