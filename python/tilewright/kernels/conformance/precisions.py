"""The cases of products on tensor cores, at each precision of a GPU.

See :func:`tilewright.kernels.matmul_precision.set_matmul_precision`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tilewright.kernels import conformance, dispatch
from tilewright.kernels.conformance.case import TOLERANCES, Case, difference
from tilewright.kernels.matmul_precision import use_matmul_precision

# The largest error of a product, relative in the norm, of operands rounded so.
LIMITS = {"3xtf32": 4e-6, "tf32": 1e-3, "bf16": 1e-2}
FAMILIES = ("gemm", "conv2d")
# What is made of products alone: where the place of a maximum counts as well, as in
# pooling, a rounding moves it.
FUNCTIONS = ("gemm", "conv2d", "conv2d_backward_input", "conv2d_backward_weight")
# Few numbers may all have lost digits in their sums.
_FEW = 16


def cases(family: str, precision: str) -> tuple[Case, ...]:
    """Return the cases of a family that hold at a precision.

    Parameters
    ----------
    family
        One of ``FAMILIES``.
    precision
        One of ``LIMITS``.

    Examples
    --------
    >>> {case.function for case in cases("gemm", "tf32")}
    {'gemm'}
    """
    # Infinity minus what it is rounded to is NaN.
    left_out = "infinity stays" if precision == "3xtf32" else None
    return tuple(
        case
        for case in conformance.cases(family)
        if case.function in FUNCTIONS and case.name != left_out
    )


@contextlib.contextmanager
def by_wgmma(backend: str) -> Iterator[None]:
    """Take every product on tensor cores by Hopper's instructions for a while.

    By itself a backend does so for large ones alone.
    """
    module: Any = dispatch.load(backend)
    module.functions.choose_tensor_core_algorithm("hopper")
    try:
        yield
    finally:
        module.functions.choose_tensor_core_algorithm("automatic")


def has_wgmma(backend: str) -> bool:
    """Return whether a backend's device has those instructions, and code for them."""
    first = cases("gemm", "tf32")[0]
    with by_wgmma(backend), use_matmul_precision("tf32"):
        try:
            first.results(backend)
        except ValueError:
            return False
    return True


def problem(case: Case, backend: str, precision: str) -> str | None:
    """Run a case at a precision and return what is wrong, or None.

    Parameters
    ----------
    case
        One of `cases`.
    backend
        The backend's name.
    precision
        One of ``LIMITS``.
    """
    limit = max(LIMITS[precision], TOLERANCES[case.function])
    try:
        with use_matmul_precision(precision):
            results = case.results(backend)
    except Exception as error:  # a kernel that fails is what we look for
        return f"{type(error).__name__}: {error}"
    for position, (got, want) in enumerate(zip(results, case.expected(), strict=True)):
        allowed = 4 * limit if got.size < _FEW else limit
        wrong = difference(got, want, allowed)
        if wrong is not None:
            return f"result {position}: {wrong}"
    return None
