"""The examples in the docstrings of train run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from tilewright import train
from tilewright.train import callbacks, metrics

MODULES = [
    module.name
    for module in pkgutil.walk_packages(train.__path__, f"{train.__name__}.")
    if not module.ispkg
]
# Helpers of the modules beside them, and what `Trainer.fit` shows.
WITHOUT = {"losses", "run", "step_plan", "canvas", "outputs", "page"}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    pytest.importorskip("safetensors", reason="checkpoints need safetensors")
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert result.attempted > 0 or name.rpartition(".")[2] in WITHOUT


def test_public_names_have_docstrings() -> None:
    for package in (train, callbacks, metrics):
        for name in package.__all__:
            value = getattr(package, name)
            assert not isinstance(value, type) or value.__doc__, name
