"""Every case of every family is computed by whoever is here, and rightly."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from tilewright.bench.case import Case, relative_error
from tilewright.bench.contestants import installed
from tilewright.bench.families import FAMILIES, family, select, shrunk

LIBRARIES = ("tilewright", "numpy", "torch", "jax")


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_case_of_a_family(name: str, library: str) -> None:
    if not installed(library):
        pytest.skip(f"{library} is not installed")
    if library == "torch":
        importlib.import_module("torch").set_num_threads(1)  # cases are tiny
    cases = family(name)
    for case in map(shrunk, cases.cases()):
        p = case.parameters
        inputs = cases.inputs(p, np.random.default_rng(0))
        copies = {key: value.copy() for key, value in inputs.items()}
        expected = cases.reference(p, inputs)
        for variant in cases.variants.get(library, ("",)):
            given = {key: value.copy() for key, value in copies.items()}
            prepared = cases.contestants[library](p, given, variant)
            got = cases.sample(p, prepared.outputs(prepared.run()))
            error = relative_error(got, expected)
            assert error <= case.tolerance, (case.name, variant)
            prepared.run()  # it is timed more than once


@pytest.mark.parametrize("name", FAMILIES)
def test_tables(name: str) -> None:
    cases = family(name).cases()
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        assert case.family == name
        assert case.bytes > 0 and case.flops >= 0
        # What a worker is sent says all about the case.
        assert family(name).make(case.parameters) == case
    assert any(case.quick for case in cases)
    assert not all(case.quick for case in cases)


def named(family_name: str, name: str) -> Case:
    (case,) = (c for c in family(family_name).cases() if c.name == name)
    return case


def test_work_of_known_cases() -> None:
    square = named("gemm", "(1024, 1024, 1024) square")
    assert square.flops == 2 * 1024**3
    assert square.bytes == 3 * 4 * 1024**2
    conv = named("conv2d", "(32, 32, 13 -> 64, 3) forward MNIST CNN 2")
    assert conv.flops == 2 * 32 * 11 * 11 * 64 * 9 * 32
    strided = named("conv2d", "(8, 3, 224 -> 64, 7, 2, 3) all ResNet-50, first")
    assert strided.flops == 3 * 2 * 8 * 112 * 112 * 64 * 49 * 3
    # The image itself needs no gradient.
    pooled = named("conv2d", "(32, 1, 28 -> 32, 3) pooled_all MNIST CNN 1")
    assert pooled.flops == 2 * 2 * 32 * 26 * 26 * 32 * 9
    assert named("adam", "Adam MNIST CNN").bytes == 28 * 93_322
    losses = named("softmax_cross_entropy", "(1024, 32000) both Llama vocabulary")
    assert losses.bytes == 8 * 1024 * 32000 + 8 * 1024


def test_a_sample_holds_the_last_channels() -> None:
    cases = family("conv2d")
    (case,) = select(["conv2d"], match="(32, 64, 5 -> 64, 3) backward_weight")
    dweight = np.zeros((3, 3, 64, 64))
    dweight[:, :, 63, 63] = 1
    taken = cases.sample(case.parameters, [dweight, np.zeros(64)])
    assert taken[0].sum() == 9


def test_mnist_layers_see_digits() -> None:
    cases = family("conv2d")
    (case,) = select(["conv2d"], match="(32, 32, 13 -> 64, 3) pooled_all")
    x = cases.inputs(case.parameters, np.random.default_rng(0))["x"]
    assert x.shape == (32, 13, 13, 32)
    dead = (x == 0).mean()
    assert 0.05 < dead < 0.9  # some of it, and in places of its own
    assert (x == 0).mean(axis=(0, 1, 2)).std() > 0.01


def test_selection() -> None:
    every = select()
    assert {case.family for case in every} == set(FAMILIES)
    assert len(select(quick=True)) < len(every) / 2
    assert [case.family for case in select(["sgd", "adam", "sgd"], match="mnist")] == [
        "sgd",
        "sgd",
        "adam",
    ]
    with pytest.raises(ValueError, match=r"bench: unknown family 'gem'; expected one"):
        select(["gem"])
    with pytest.raises(ValueError, match="bench: no case matches 'nowhere'"):
        select(match="nowhere")


def test_relative_error() -> None:
    assert relative_error([np.ones(2)], [np.ones(2)]) == 0
    assert relative_error([np.array([np.nan])], [np.ones(1)]) == np.inf
    assert relative_error([np.ones((1, 2))], [np.ones(2)]) == np.inf
    assert relative_error([np.ones(2)], []) == np.inf
    assert relative_error([np.zeros(2), np.ones(2)], [np.zeros(2), np.zeros(2)]) > 1
    assert isinstance(select(["gemm"])[0], Case)
