"""The examples in the docstrings run and print what they say, on every backend."""

from __future__ import annotations

import doctest
import importlib

import pytest
from kernel_backends import BACKENDS

from tilewright import kernels
from tilewright.kernels import conformance, dispatch

INTERFACE = [f"tilewright.kernels.{family}" for family in conformance.FAMILIES]
OTHERS = [
    "tilewright.kernels.conformance",
    "tilewright.kernels.control",
    "tilewright.kernels.dispatch",
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", INTERFACE)
def test_examples_of_the_interface(name: str, backend: str) -> None:
    with dispatch.backend(backend):
        result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("name", OTHERS)
def test_examples_of_the_rest(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0 and result.failed == 0


def test_every_public_kernel_has_an_example() -> None:
    finder = doctest.DocTestFinder(recurse=False)
    for function in conformance.TOLERANCES:
        found = finder.find(getattr(kernels, function), function)
        assert any(test.examples for test in found), function
