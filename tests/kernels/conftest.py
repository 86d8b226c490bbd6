"""Each test leaves the choice of backend, threads and instruction set as it was."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tilewright import kernels
from tilewright.kernels import dispatch


@pytest.fixture(autouse=True)
def choices_restored() -> Iterator[None]:
    threads = kernels.get_num_threads()
    isa = kernels.isa() if dispatch.unavailable_reason("cpu") is None else None
    choice = dispatch._process_choice
    yield
    dispatch._process_choice = choice
    kernels.set_num_threads(threads)
    if isa is not None:
        assert kernels.isa() == isa


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
