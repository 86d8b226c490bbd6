"""Safetensors files that somebody made to do harm: an error, and nothing else."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import tilewright as tw
from tilewright.models import load_model, mnist_cnn, save_model
from tilewright.safetensors_file import open_safetensors
from tilewright.train import load_tree, save_tree

pytest.importorskip("safetensors", reason="the files are of this format")


def arrays_of(path):
    with open_safetensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


READERS = [tw.load, load_tree, load_model]


def written(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def read_by_all(path):
    """Read a file in each way: the result is a value, or an error with its name."""
    for read in READERS:
        try:
            read(path)
        except ValueError as error:
            assert path.name in str(error), (read, error)


NAMES = st.sampled_from(["a", "b", "__metadata__", "é", "", "a/b", "tilewright"])
NUMBERS = st.one_of(
    st.integers(-2, 40), st.sampled_from([2**31, 2**53, 2**63, 2**64, -(2**63), 0.5])
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.floats(), NAMES),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=6,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "I64", "BF16", "F64", "BOOL", "F8_E4M3", "x"]),
        "shape": st.lists(NUMBERS, max_size=3) | ANYTHING,
        "data_offsets": st.lists(NUMBERS, min_size=2, max_size=2) | ANYTHING,
        "more": ANYTHING,
    },
)
TEXTS = st.one_of(
    st.text(max_size=20),
    ANYTHING.map(json.dumps),
    st.just("[" * 2_000),
    st.builds(
        lambda name, classes: json.dumps({"name": name, "classes": classes}),
        st.just("mnist-cnn") | ANYTHING,
        st.lists(NAMES, max_size=3) | ANYTHING,
    ),
    st.builds(
        lambda kind, tree: json.dumps({"format": kind, "tree": tree}),
        st.just(2) | ANYTHING,
        ANYTHING,
    ),
)
KEYS = st.sampled_from(
    ["tilewright", "tilewright.sha256", "tilewright.model", "tilewright.order", "x"]
)
HEADERS = st.builds(
    lambda tensors, metadata: {**tensors, **metadata},
    st.dictionaries(NAMES, TENSORS | ANYTHING, max_size=3),
    st.one_of(
        st.just({}),
        st.dictionaries(KEYS, TEXTS, max_size=4).map(lambda m: {"__metadata__": m}),
        ANYTHING.map(lambda m: {"__metadata__": m}),
    ),
)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(HEADERS, st.binary(max_size=48), st.none() | st.integers(0, 2**64 - 1))
@example({"__metadata__": {"tilewright.order": "[1]"}, "1": {}}, b"", None)
@example({"__metadata__": {"tilewright.model": '{"name": "mnist-cnn"}'}}, b"", None)
@example({"__metadata__": {"tilewright.model": "["}}, b"", None)
@example({"__metadata__": {"tilewright.model": "[" * 2_000}}, b"", None)
@example({"__metadata__": {"tilewright.order": "[" * 2_000}}, b"", None)
def test_headers_of_any_form(tmp_path, header, data, size):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(written(header, data, size))
    read_by_all(path)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_bytes_that_were_changed_in_files_of_ours(tmp_path, data):
    path = tmp_path / "changed.safetensors"
    which = data.draw(st.sampled_from(["model", "tree", "arrays"]))
    if which == "model":
        save_model(path, SMALL, "mnist-cnn", ["a", "b"])
    elif which == "tree":
        save_tree(path, {"step": 3, "weights": [np.ones(3, np.float32)]})
    else:
        tw.save({"a": np.arange(6.0), "b": np.ones((2, 3), np.int64)}, path)
    content = bytearray(path.read_bytes())
    reach = min(len(content), 2000)  # the header, where all that is said stands
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, reach - 1))
        how = data.draw(st.sampled_from(["change", "cut", "insert", "repeat"]))
        if how == "change":
            content[place : place + 1] = data.draw(st.binary(min_size=1, max_size=1))
        elif how == "cut":
            del content[place : place + data.draw(st.integers(1, 30))]
        elif how == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            content[place:place] = content[place : place + 40]
        reach = max(min(len(content), reach), 1)
    path.write_bytes(content)
    read_by_all(path)


SMALL = mnist_cnn(2)


@pytest.mark.parametrize("text", ["[1]", '["b", "a", "a"]', "{}", '[["a"], "b"]', "7"])
def test_an_order_that_is_wrong_is_not_followed(tmp_path, text):
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    path = tmp_path / "m.safetensors"
    for name in ("1", "a"):
        path.write_bytes(
            written(
                {"__metadata__": {"tilewright.order": text}, name: tensor}, bytes(4)
            )
        )
        assert list(tw.load(path)) == [name]


@pytest.mark.parametrize(
    "about",
    [
        "{",
        "[]",
        '{"name": "mnist-cnn"}',
        '{"name": "mnist-cnn", "classes": 3}',
        '{"name": "mnist-cnn", "classes": [1, 2]}',
        '{"name": ["mnist-cnn"], "classes": ["a"]}',
        "[" * 2_000,
    ],
)
def test_a_model_that_says_nothing_of_use(tmp_path, about):
    path = tmp_path / "m.safetensors"
    tw.save(SMALL, path, {"tilewright.model": about})
    with pytest.raises(ValueError, match=r"m\.safetensors: .*which model it is"):
        load_model(path)


def test_a_model_with_weights_of_another(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, mnist_cnn(3), "mnist-cnn", ["a", "b"])
    with pytest.raises(ValueError, match=r"11.weight must have shape \(64, 2\)"):
        load_model(path)


def test_a_header_that_says_it_is_huge_takes_no_memory(tmp_path):
    import tracemalloc

    path = tmp_path / "huge.safetensors"
    for size in (2**40, 2**63, 2**64 - 1, 90 * 2**20):
        path.write_bytes(struct.pack("<Q", size) + b"{}")
        tracemalloc.start()
        with pytest.raises(ValueError, match="damaged or cut short"):
            arrays_of(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()
