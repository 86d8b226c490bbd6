"""The roofline probe does the multiply-adds that it says it does."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from tilewright.kernels.roofline import GPU_BLOCK as THREADS

BLOCKS, STEPS, CHAINS = 2, 37, 8


def run(cudasim: ModuleType, unit: str) -> tuple[float, np.ndarray]:
    cudasim.configure("reverse", 1, True)
    out = np.full(BLOCKS * THREADS, 0.5, np.float32)
    memory = out.ctypes.data, out.nbytes
    return cudasim.multiply_add(unit, BLOCKS, STEPS, memory, 0), out


def test_ordinary_units(cudasim: ModuleType) -> None:
    flops, out = run(cudasim, "fp32")
    assert flops == 2.0 * BLOCKS * THREADS * CHAINS * STEPS
    sums = np.arange(CHAINS, dtype=np.float32)
    for _ in range(STEPS):
        sums = sums * np.float32(0.5) + np.float32(0.5)
    assert (out == sums.sum()).all()


@pytest.mark.parametrize(("unit", "depth"), [("tf32", 8), ("bf16", 16)])
def test_tensor_cores(cudasim: ModuleType, unit: str, depth: int) -> None:
    flops, out = run(cudasim, unit)
    products = BLOCKS * THREADS // 32 * CHAINS * STEPS
    assert flops == 2.0 * 16 * 8 * depth * products
    # Each product adds depth * 0.5 * 0.5 to the four sums that a thread has of it.
    assert (out == 4 * CHAINS * STEPS * depth * 0.25).all()


def test_what_is_not_there(cudasim: ModuleType) -> None:
    out = np.zeros(THREADS, np.float32)
    memory = out.ctypes.data, out.nbytes
    with pytest.raises(ValueError, match="unknown unit 'fp8'"):
        cudasim.multiply_add("fp8", 1, 1, memory, 0)
    with pytest.raises(ValueError, match="out: expected 512 aligned elements"):
        cudasim.multiply_add("fp32", 2, 1, memory, 0)
    with pytest.raises(ValueError, match="blocks and steps must be > 0"):
        cudasim.multiply_add("fp32", 1, 0, memory, 0)
