"""The examples in the docstrings of interop run and print what they say."""

import doctest
import importlib
import subprocess
import sys

import pytest

NEEDS = {
    "dlpack": None,
    "flattening": None,
    "row": None,
    "trace": None,
    "torch": None,
    "keras": "h5py",
    "sklearn": "sklearn",
    "onnx.exporter": "onnx",
    "onnx.importer": "onnx",
}


@pytest.mark.parametrize("name", NEEDS)
def test_examples(name):
    if NEEDS[name]:
        pytest.importorskip(NEEDS[name], reason=f"the example needs {NEEDS[name]}")
    module = importlib.import_module(f"tilewright.interop.{name}")
    result = doctest.testmod(module)
    assert result.failed == 0 and result.attempted > 0


def test_nothing_is_imported_before_it_is_used():
    program = """
import sys
import tilewright as tw
tw.interop, tw.from_dlpack
from tilewright import interop
interop.torch, interop.keras, dir(interop)
from tilewright import data
heavy = {"torch", "onnx", "sklearn", "h5py", "pandas", "PIL", "keras"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("use", "extra"),
    [
        ("interop.onnx.load('m.onnx')", "onnx"),
        ("interop.keras.load_weights(nn.ReLU(), 'm')", "keras-weights"),
        ("interop.sklearn", "sklearn"),
        ("data.split(data.ArrayDataset([1, 2], [0, 1]))", "sklearn"),
        ("data.read_table('t.csv')", "pandas"),
    ],
)
def test_missing_package_is_named_with_its_extra(use, extra):
    program = f"""
import sys
for name in ("onnx", "h5py", "sklearn", "pandas"):
    sys.modules[name] = None
from tilewright import data, interop, nn
try:
    {use}
except ImportError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert f"pip install 'tilewright[{extra}]'" in result.stdout, result.stderr
