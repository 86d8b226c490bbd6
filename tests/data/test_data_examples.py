"""The examples in the docstrings of data run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

from tilewright import data

MODULES = [
    module.name for module in pkgutil.walk_packages(data.__path__, "tilewright.data.")
]
EXTRAS = {
    "tables": "pandas",
    "splitting": "sklearn",
    "normalizer": "sklearn",
    "images": "PIL",
}


@pytest.mark.parametrize("name", [*MODULES, "tilewright.philox"])
def test_examples(name):
    extra = EXTRAS.get(name.rpartition(".")[2])
    if extra:
        pytest.importorskip(extra, reason=f"the example needs {extra}")
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
