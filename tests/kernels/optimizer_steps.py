"""What the tests of the optimizers' steps share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tilewright import kernels


def assert_refused_and_unchanged(
    function: str,
    lists: Sequence[Any],
    error: type[Exception],
    message: str,
    **options: Any,
) -> None:
    """Assert that a step is refused, and that it wrote nothing before it was."""
    arrays = [
        array
        for group in lists
        if isinstance(group, list)
        for array in group
        if isinstance(array, np.ndarray)
    ]
    before = [array.tobytes() for array in arrays]
    with pytest.raises(error, match=message):
        getattr(kernels, function)(*lists, **options)
    assert [array.tobytes() for array in arrays] == before
