"""The examples in the docstrings of keras run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

from tilewright import keras

MODULES = [
    module.name
    for module in pkgutil.walk_packages(keras.__path__, f"{keras.__name__}.")
    if not module.ispkg
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    pytest.importorskip("safetensors", reason="model files need safetensors")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_public_names_have_docstrings() -> None:
    packages = (
        keras.activations, keras.callbacks, keras.initializers, keras.layers,
        keras.losses, keras.metrics, keras.models, keras.optimizers,
        keras.optimizers.schedules, keras.regularizers, keras.utils,
    )  # fmt: skip
    for package in packages:
        for name in getattr(package, "__all__", dir(package)):
            value = getattr(package, name)
            ours = str(getattr(value, "__module__", "")).startswith("tilewright")
            if isinstance(value, type) and ours and not name.startswith("_"):
                assert value.__doc__, name
