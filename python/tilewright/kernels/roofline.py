"""What this machine can do at most, measured by the compiled extension.

Reference: S. Williams, A. Waterman and D. Patterson, "Roofline: An Insightful
Visual Performance Model for Multicore Architectures", CACM 52(4), 2009.
"""

from __future__ import annotations

from tilewright.kernels import dispatch


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
