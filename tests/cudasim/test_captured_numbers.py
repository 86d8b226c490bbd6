"""Kernels whose numbers lie in memory, as graphs have it, give the same bits."""

from __future__ import annotations

import struct
from types import ModuleType

import numpy as np
import pytest
from simulator import aligned

Arrays = list[np.ndarray]
SIZES = (1, 5, 4096, 4099)


@pytest.fixture(params=["cudasim", "cudasim_shadow"])
def extension(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.getfixturevalue(request.param)
    found.configure("random", 1, True)
    return found


def memory(array: np.ndarray) -> tuple[int, int]:
    return array.__array_interface__["data"][0], array.nbytes


def lists(count: int) -> list[Arrays]:
    rng = np.random.default_rng(0)
    return [
        [aligned(rng.random(size, np.float32)) for size in SIZES] for _ in range(count)
    ]


def in_memory(numbers: bytes) -> np.ndarray:
    """The numbers as they lie among those of other kernels."""
    padded = numbers.ljust(64, b"\0")
    return aligned(np.frombuffer(padded, np.float32).copy())


def memories(arrays: list[Arrays]) -> list[list[tuple[int, int]]]:
    return [[memory(array) for array in each] for each in arrays]


def same(one: list[Arrays], other: list[Arrays]) -> bool:
    pairs = zip(sum(one, []), sum(other, []), strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("decoupled", [True, False])
def test_adam(extension: ModuleType, decoupled: bool) -> None:
    options = 3, 0.01, 0.9, 0.999, 1e-8, 0.1, decoupled, True
    plain, recorded = lists(4), lists(4)
    extension.adam_step(list(SIZES), *memories(plain), *options, 0)
    numbers = in_memory(extension.adam_coefficients(*options))
    extension.adam_step_from(list(SIZES), *memories(recorded), memory(numbers), 0)
    assert same(plain, recorded) and not same(plain, lists(4))


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd(extension: ModuleType, nesterov: bool) -> None:
    plain, recorded = lists(3), lists(3)
    extension.sgd_step(list(SIZES), *memories(plain), 0.1, 0.9, nesterov, 0.01, 0)
    numbers = in_memory(extension.sgd_coefficients(0.1, 0.9, 0.01, nesterov))
    extension.sgd_step_from(list(SIZES), *memories(recorded), memory(numbers), 0)
    assert same(plain, recorded) and not same(plain, lists(3))


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_rmsprop_and_adagrad(extension: ModuleType, kept: int) -> None:
    for numbers in (
        extension.rmsprop_coefficients(0.1, 0.9, 1e-3, 0.01, 0.5, True),
        extension.adagrad_coefficients(0.1, 1e-3, 0.01, False),
    ):
        plain, recorded = lists(2 + kept), lists(2 + kept)
        others = [None] * (3 - kept)
        extension.rmsprop_step(list(SIZES), *memories(plain), *others, numbers, 0)
        place = memory(in_memory(numbers))
        extension.rmsprop_step_from(list(SIZES), *memories(recorded), *others, place, 0)
        assert same(plain, recorded) and not same(plain, lists(2 + kept))
    with pytest.raises(ValueError, match="rmsprop_step: wrong coefficients"):
        extension.rmsprop_step([], [], [], [], None, None, b"short", 0)


@pytest.mark.parametrize("size", SIZES[1:])
def test_dropout(extension: ModuleType, size: int) -> None:
    seed, offset = 2**63 + 7, 2**64 - 3
    x = aligned(np.arange(1, size + 1, dtype=np.float32))
    results = [aligned(np.zeros(size, np.float32)) for _ in range(2)]
    extension.dropout(size, memory(x), 0.4, seed, offset, memory(results[0]), 0)
    key = in_memory(struct.pack("=QQ", seed, offset))
    extension.dropout_from(size, memory(x), 0.4, memory(key), memory(results[1]), 0)
    assert results[0].tobytes() == results[1].tobytes() and results[0].any()


def test_numbers_must_be_there(extension: ModuleType) -> None:
    short = np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="coefficients: expected 1 aligned elements"):
        extension.adam_step_from([], [], [], [], [], memory(short), 0)
    with pytest.raises(ValueError, match="key: expected 2 aligned elements of 8"):
        extension.dropout_from(0, (0, 0), 0.5, memory(short), (0, 0), 0)
