"""What this machine can do at most, measured by the compiled extension.

Reference: S. Williams, A. Waterman and D. Patterson, "Roofline: An Insightful
Visual Performance Model for Multicore Architectures", CACM 52(4), 2009.
"""

from __future__ import annotations

from typing import Any

from tilewright.kernels import dispatch
from tilewright.kernels.backends.protocol import Array

GPU_BLOCK = 256  # threads, as in csrc/cuda/roofline/roofline.h


def peak_flops(seconds: float = 0.3) -> float:
    """Return the multiply-adds a second, counted as two FLOP each.

    On the threads and with the instruction set in force: the best of the rounds
    that fit in ``seconds``, each of independent FMAs on registers.

    Parameters
    ----------
    seconds
        How long to measure.

    Raises
    ------
    BackendUnavailableError
        If the extension is not built.

    Examples
    --------
    >>> peak_flops(0.01) > 0  # doctest: +SKIP
    True
    """
    dispatch.load("cpu")
    from tilewright import _cpu

    return float(_cpu.peak_flops(seconds))


def copy_bandwidth(
    size: int, *, streaming: bool = False, seconds: float = 0.3
) -> float:
    """Return the bytes read and written a second while threads copy their slices.

    Parameters
    ----------
    size
        Bytes of all sources and destinations together: what fits a cache is copied
        within it.
    streaming
        Store past the caches, where the instruction set can.
    seconds
        How long to measure.

    Raises
    ------
    ValueError
        If ``size`` is below 1.
    BackendUnavailableError
        If the extension is not built.

    Examples
    --------
    >>> copy_bandwidth(1 << 20, seconds=0.01) > 0  # doctest: +SKIP
    True
    """
    dispatch.load("cpu")
    from tilewright import _cpu

    if size < 1:
        raise ValueError(f"copy_bandwidth: size must be >= 1, got {size}")
    return float(_cpu.copy_bandwidth(size, streaming, seconds))


def gpu_multiply_add(unit: str, sums: Array, steps: int) -> float:
    """Enqueue multiply-adds on registers on CuPy's current GPU.

    Its caller takes the time: nothing here waits for the GPU.

    Parameters
    ----------
    unit
        ``"fp32"``, or tensor cores by ``mma.sync`` at ``"tf32"`` or ``"bf16"``.
    sums
        CuPy's array (blocks * ``GPU_BLOCK``,) of float32: the factors, and afterwards
        the sums.
    steps
        Of each thread.

    Returns
    -------
    How many FLOP they are.

    Raises
    ------
    ValueError
        If the GPU has no such unit.
    BackendUnavailableError
        If nothing runs on a GPU here.

    Examples
    --------
    >>> gpu_multiply_add("fp32", cupy.ones(256, "f4"), 1)  # doctest: +SKIP
    4096.0
    """
    backend: Any = dispatch.load(dispatch.CUDA)
    flops: float = backend.functions.multiply_add(unit, sums, steps)
    return flops
