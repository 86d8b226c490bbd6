"""Kernels pass infinity and NaN on; only NumPy would warn of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function compute without NumPy's floating-point warnings.

    ``np.errstate`` as a decorator would share one object between threads.
    """

    @functools.wraps(function)
    def silenced(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return silenced
