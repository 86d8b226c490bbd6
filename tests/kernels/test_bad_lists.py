"""Lists of arrays that an optimizer's step must refuse before it writes anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_backends import BACKENDS, needs_extension
from optimizer_steps import assert_refused_and_unchanged

from tilewright import kernels

LISTS = {
    "adam_step": ("params", "grads", "exp_avg", "exp_avg_sq"),
    "sgd_step": ("params", "grads", "momentum_buffers"),
    "rmsprop_step": ("params", "grads", "square_avg", "grad_avg", "momentum_buffers"),
    "adagrad_step": ("params", "grads", "sums"),
}
OPTIONS = {
    "adam_step": {"step": 1, "lr": 0.1},
    "sgd_step": {"lr": 0.1, "momentum": 0.9},
    "rmsprop_step": {"lr": 0.1, "momentum": 0.9},
    "adagrad_step": {"lr": 0.1},
}
PLACES = [(function, name) for function, names in LISTS.items() for name in names]
SHAPES = ((3, 4), (5,), (2, 2))


def lists(function: str) -> dict[str, list[Any]]:
    rng = np.random.default_rng(0)
    return {
        name: [0.5 + rng.random(shape, np.float32) for shape in SHAPES]
        for name in LISTS[function]
    }


def read_only(value: np.ndarray) -> np.ndarray:
    value.flags.writeable = False
    return value


def misaligned(value: np.ndarray) -> np.ndarray:
    raw = np.zeros(value.nbytes + 1, np.uint8)
    return raw[1:].view(np.float32).reshape(value.shape)


def refuse(function: str, backend: str, given: dict, error: Any, message: str) -> None:
    with kernels.backend(backend):
        assert_refused_and_unchanged(
            function,
            list(given.values()),
            error,
            f"^{function}: {message}",
            **OPTIONS[function],
        )


WRONG: list[tuple[Callable[[np.ndarray], Any], type[Exception], str]] = [
    (lambda v: v.tolist(), TypeError, "must be a NumPy array, got list"),
    (lambda v: None, TypeError, "must be a NumPy array, got NoneType"),
    (lambda v: v.astype(np.float64), TypeError, r"must be float32\b.*, got float64"),
    (lambda v: v.astype(np.int32), TypeError, r"must be float32\b.*, got int32"),
    (lambda v: v.astype(">f4"), TypeError, r"must be float32\b.*, got .*"),
    (np.ma.masked_array, TypeError, "must be a NumPy array without a mask"),
    (lambda v: np.concatenate([v, v]), ValueError, "must have shape"),
    (lambda v: v.reshape(1, -1), ValueError, "must have shape"),
]
UNWRITEABLE: list[tuple[Callable[[np.ndarray], Any], str]] = [
    (read_only, "it is not writeable"),
    (misaligned, "it is not aligned"),
    (lambda v: np.repeat(v, 2, 0)[::2], "it is not C-contiguous"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("spoil", "error", "message"), WRONG)
@pytest.mark.parametrize(("function", "name"), PLACES)
def test_wrong_arrays(function, name, spoil, error, message, backend) -> None:
    given = lists(function)
    given[name][1] = spoil(given[name][1])
    if name == "params" and error is ValueError:
        name = r"\w+"  # the parameters say what shape the others must have
    refuse(function, backend, given, error, rf"{name}\[1\] {message}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("spoil", "message"), UNWRITEABLE)
@pytest.mark.parametrize(
    ("function", "name"), [place for place in PLACES if place[1] != "grads"]
)
def test_arrays_that_cannot_be_written(function, name, spoil, message, backend) -> None:
    given = lists(function)
    # The last: what comes before must not have been written either.
    given[name][2] = spoil(given[name][2])
    refuse(function, backend, given, ValueError, rf"{name}\[2\] must be C-.*{message}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("function", "name"), PLACES)
def test_wrong_lists(function: str, name: str, backend: str) -> None:
    given = lists(function)
    given[name].pop()
    message = r"\w+ must have as many arrays as params, got \d for \d"
    refuse(function, backend, given, ValueError, message)
    given = lists(function)
    given[name] = given[name][0]
    message = f"{name} must be a list of arrays, got ndarray"
    refuse(function, backend, given, TypeError, message)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("function", "name"), PLACES)
def test_overlapping_arrays(function: str, name: str, backend: str) -> None:
    if name == "params":
        given = lists(function)
        given["params"][2] = given["params"][0].reshape(-1)[:4].reshape(2, 2)
        message = "the arrays written to must not overlap each other"
        refuse(function, backend, given, ValueError, message)
        given = lists(function)
        for values in given.values():
            values.append(values[1])
        refuse(function, backend, given, ValueError, message)
        return
    given = lists(function)
    given[name][1] = given["params"][1]
    message = (
        r"grads\[1\] must not overlap an array written to"
        if name == "grads"
        else "the arrays written to must not overlap each other"
    )
    refuse(function, backend, given, ValueError, message)
    given[name][1] = given["params"][0].reshape(-1)[3:8]
    refuse(function, backend, given, ValueError, message)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", LISTS)
def test_parts_of_one_array_that_do_not_overlap(function: str, backend: str) -> None:
    flat = np.ones((len(LISTS[function]), 20), np.float32)
    views = [[row[:7], row[7:12].reshape(1, 5), row[12:]] for row in flat]
    separate = [[view.copy() for view in group] for group in views]
    with kernels.backend(backend):
        getattr(kernels, function)(*views, **OPTIONS[function])
        getattr(kernels, function)(*separate, **OPTIONS[function])
    for got, wanted in zip(views, separate, strict=True):
        for one, other in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    assert (flat[0] < 1).all() and (flat[1] == 1).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", LISTS)
def test_one_gradient_may_serve_twice(function: str, backend: str) -> None:
    given = lists(function)
    given["params"].append(np.ones(5, np.float32))
    for name in LISTS[function][2:]:
        given[name].append(np.ones(5, np.float32))
    given["grads"].append(given["grads"][1])
    with kernels.backend(backend):
        getattr(kernels, function)(*given.values(), **OPTIONS[function])
    assert (given["params"][3] < 1).all()


@needs_extension
@pytest.mark.parametrize("function", LISTS)
def test_cpu_refuses_float64(function: str) -> None:
    given = {
        name: [value.astype(np.float64) for value in values]
        for name, values in lists(function).items()
    }
    refuse(function, "cpu", given, TypeError, "backend 'cpu' computes in float32")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", LISTS)
def test_tuples_and_no_parameters_at_all(function: str, backend: str) -> None:
    given = [tuple(values) for values in lists(function).values()]
    before = given[0][0].copy()
    with kernels.backend(backend):
        getattr(kernels, function)(*given, **OPTIONS[function])
        getattr(kernels, function)(*([] for _ in given), **OPTIONS[function])
    assert (given[0][0] != before).all()
