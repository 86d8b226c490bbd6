"""The examples in the docstrings of nn and optim run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import tilewright
from tilewright import nn, optim

MODULES = [
    module.name
    for package in (nn, optim)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
# Helpers of the modules beside them.
WITHOUT = {
    "fusion",
    "inputs",
    "loading",
    "lr_scheduler",
    "recorded",
    "saved",
    "sizes",
    "types",
    "functional",
}


@pytest.mark.parametrize("name", [*MODULES, "tilewright.atomic"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0 or name.rpartition(".")[2] in WITHOUT


def test_public_names_have_docstrings() -> None:
    for package in (nn, nn.functional, nn.init, optim):
        for name in getattr(package, "__all__", dir(package)):
            value = getattr(package, name)
            if callable(value) and not name.startswith("_"):
                assert value.__doc__, name
    assert tilewright.save is nn.save and tilewright.load is nn.load
