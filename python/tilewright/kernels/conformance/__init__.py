"""The cases that every backend must pass, family by family.

They need nothing but NumPy, so that ``tilewright selftest`` runs them wherever
tilewright is installed; the tests run them over each instruction set and number of
threads as well.

    for family in FAMILIES:
        for case in cases(family):
            problem = case.problem("cpu")     # None, or what is wrong
"""

from __future__ import annotations

import importlib

from tilewright.kernels.conformance.case import TOLERANCES as TOLERANCES
from tilewright.kernels.conformance.case import Arguments as Arguments
from tilewright.kernels.conformance.case import Case as Case

FAMILIES = (
    "gemm",
    "conv2d",
    "pool2d",
    "batch_norm",
    "softmax_cross_entropy",
    "adam",
    "sgd",
    "rmsprop",
    "elementwise",
    "elementwise_loss",
    "gradient_clipping",
)


def cases(family: str) -> tuple[Case, ...]:
    """Return the cases of a family.

    Parameters
    ----------
    family
        One of ``FAMILIES``.

    Raises
    ------
    ValueError
        If there is no such family.

    Examples
    --------
    >>> cases("gemm")[0].problem("numpy") is None
    True
    """
    if family not in FAMILIES:
        raise ValueError(f"cases: family must be one of {FAMILIES}, got {family!r}")
    module = importlib.import_module(f"tilewright.kernels.conformance.{family}")
    found: tuple[Case, ...] = module.CASES
    return found
