"""What products on a GPU round their operands to: exact unless asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tilewright.kernels import checks

PRECISIONS = ("fp32", "3xtf32", "tf32", "bf16")

_precision = "fp32"


def matmul_precision() -> str:
    """Return the precision of matrix products and convolutions on GPUs.

    Examples
    --------
    >>> matmul_precision()
    'fp32'
    """
    return _precision


def set_matmul_precision(name: str) -> None:
    """Choose the precision of products on GPUs, for the whole process.

    Products are ``gemm`` and convolutions, but for depthwise ones and those of up to
    four channels and 32 weights an output, which memory bounds. Sums are in float32
    whatever is chosen. GPUs before compute capability 8.0 have no such tensor cores
    and stay at fp32.

    Parameters
    ----------
    name
        ``"fp32"``, the default: exact products. ``"3xtf32"``: three products on
        tensor cores, with about the error of fp32; infinity becomes NaN.
        ``"tf32"``: operands rounded to 10 bits, relative error below 1e-3.
        ``"bf16"``: to 7 bits, below 1e-2.

    Raises
    ------
    ValueError
        If there is no such precision.

    Examples
    --------
    >>> set_matmul_precision("fp32")
    """
    global _precision
    _precision = checks.choice("set_matmul_precision", "name", name, PRECISIONS)


@contextlib.contextmanager
def use_matmul_precision(name: str) -> Iterator[None]:
    """Do :func:`set_matmul_precision` for a ``with`` block, in the whole process.

    Parameters
    ----------
    name
        As :func:`set_matmul_precision` takes it.

    Raises
    ------
    ValueError
        If there is no such precision.

    Examples
    --------
    >>> with use_matmul_precision("tf32"):
    ...     matmul_precision()
    'tf32'
    """
    before = _precision
    set_matmul_precision(name)
    try:
        yield
    finally:
        set_matmul_precision(before)
