"""Arrays that a kernel must refuse, or take though they lie awkwardly.

Every float array of every kernel, on every backend: the same text everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_backends import BACKENDS, needs_extension

from tilewright import kernels


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


IMAGE = (2, 6, 7, 4)
LABELS = np.array([0, 1, 2])
POOL = (2, 3, 3, 4)
CODES = np.zeros(POOL, np.uint8)
# A call of each kernel: the shapes of its float arrays, and what else it takes.
CALLS: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, Any]]] = {
    "gemm": ({"a": (2, 3), "b": (3, 4), "bias": (4,)}, {}),
    "conv2d": ({"x": IMAGE, "weight": (3, 3, 4, 5), "bias": (5,)}, {}),
    "conv2d_backward_input": (
        {"dy": (2, 4, 5, 5), "weight": (3, 3, 4, 5)},
        {"input_shape": IMAGE},
    ),
    "conv2d_backward_weight": (
        {"x": IMAGE, "dy": (2, 4, 5, 5)},
        {"kernel_size": 3},
    ),
    "conv2d_max_pool2d": (
        {"x": IMAGE, "weight": (3, 3, 4, 5), "bias": (5,)},
        {"window": 2},
    ),
    "conv2d_max_pool2d_backward_input": (
        {"dy": (2, 2, 2, 5), "weight": (3, 3, 4, 5)},
        {
            "indices": np.zeros((2, 2, 2, 5), np.uint8),
            "input_shape": IMAGE,
            "window": 2,
        },
    ),
    "conv2d_max_pool2d_backward_weight": (
        {"x": IMAGE, "dy": (2, 2, 2, 5)},
        {
            "indices": np.zeros((2, 2, 2, 5), np.uint8),
            "kernel_size": 3,
            "window": 2,
        },
    ),
    "max_pool2d": ({"x": IMAGE}, {"window": 2}),
    "max_pool2d_backward": (
        {"dy": POOL},
        {"indices": CODES, "input_shape": IMAGE, "window": 2},
    ),
    "avg_pool2d": ({"x": IMAGE}, {"window": 2}),
    "avg_pool2d_backward": ({"dy": POOL}, {"input_shape": IMAGE, "window": 2}),
    "global_avg_pool2d": ({"x": IMAGE}, {}),
    "global_avg_pool2d_backward": ({"dy": (2, 4)}, {"input_shape": IMAGE}),
    "global_max_pool2d": ({"x": IMAGE}, {}),
    "global_max_pool2d_backward": (
        {"dy": (2, 4)},
        {"indices": np.zeros((2, 4), np.uint8), "input_shape": IMAGE},
    ),
    "batch_norm": (
        {
            "x": (6, 4),
            "weight": (4,),
            "bias": (4,),
            "running_mean": (4,),
            "running_var": (4,),
        },
        {"training": False},
    ),
    "batch_norm_backward": (
        {"dy": (6, 4), "x": (6, 4), "saved": (3, 4), "weight": (4,), "bias": (4,)},
        {},
    ),
    "softmax": ({"x": (3, 4)}, {}),
    "log_softmax": ({"x": (3, 4)}, {}),
    "softmax_backward": ({"dy": (3, 4), "y": (3, 4)}, {}),
    "log_softmax_backward": ({"dy": (3, 4), "y": (3, 4)}, {}),
    "softmax_cross_entropy": (
        {"logits": (3, 4), "class_weight": (4,)},
        {"labels": LABELS},
    ),
    "linear_softmax_cross_entropy": (
        {"x": (3, 5), "weight": (5, 4), "bias": (4,), "class_weight": (4,)},
        {"labels": LABELS},
    ),
    "activation": ({"x": (3, 4)}, {"kind": "tanh"}),
    "activation_backward": ({"dy": (3, 4), "saved": (3, 4)}, {"kind": "tanh"}),
    "dropout": ({"x": (3, 4)}, {"p": 0.5, "seed": 1}),
    "bias_gradient": ({"dy": (3, 4)}, {}),
    "axis_sum": ({"x": (3, 4)}, {"axes": 0}),
    "copy": ({"x": (3, 4)}, {}),
    "elementwise_loss": ({"x": (3, 4), "target": (3, 4)}, {"kind": "huber"}),
}
# What takes lists, or numbers for arrays, has tests of its own.
OTHERS = {
    *("adam_step", "sgd_step", "rmsprop_step", "adagrad_step"),
    *("arithmetic", "concatenate"),
}
OTHERS |= {"clip_by_norm", "clip_by_value"}
ARRAYS = [
    (function, name) for function, (shapes, _) in CALLS.items() for name in shapes
]
# Of any number of dimensions, or checked by its shape as a whole.
ANY_NDIM = {
    ("batch_norm", "x"),
    ("batch_norm_backward", "dy"),
    ("activation", "x"),
    ("activation_backward", "dy"),
    ("dropout", "x"),
    ("bias_gradient", "dy"),
    ("axis_sum", "x"),
    ("copy", "x"),
    ("elementwise_loss", "x"),
    ("softmax", "x"),
    ("log_softmax", "x"),
    ("softmax_backward", "dy"),
    ("log_softmax_backward", "dy"),
}


def run(function: str, backend: str, **changes: Any) -> Any:
    shapes, others = CALLS[function]
    arrays = {name: ones(*shape) for name, shape in shapes.items()}
    with kernels.backend(backend):
        return getattr(kernels, function)(**{**arrays, **others, **changes})


def test_every_kernel_on_arrays_is_here() -> None:
    from tilewright.kernels.conformance import TOLERANCES

    assert set(CALLS) | OTHERS == set(TOLERANCES)


class Subclass(np.ndarray):
    """An array of somebody else's kind."""


WRONG: list[tuple[str, Callable[[np.ndarray], Any], str]] = [
    ("a list", lambda v: v.tolist(), "must be a NumPy array, got list"),
    ("a number", lambda v: 1.0, "must be a NumPy array, got float"),
    ("a string", lambda v: "x", "must be a NumPy array, got str"),
    ("float16", lambda v: v.astype(np.float16), r"must be float32 .* got float16; con"),
    ("longdouble", lambda v: v.astype(np.longdouble), "must be float32 .* got .*float"),
    ("int64", lambda v: v.astype(np.int64), "must be float32 .* got int64"),
    ("bool", lambda v: v.astype(bool), "must be float32 .* got bool"),
    ("complex64", lambda v: v.astype(np.complex64), "must be float32 .* got complex64"),
    ("object", lambda v: v.astype(object), "must be float32 .* got object"),
    (
        "foreign bytes",
        lambda v: v.astype(v.dtype.newbyteorder()),
        "must be float32 .* got float32 in foreign byte order",
    ),
    (
        "masked",
        lambda v: np.ma.masked_array(v, v > 0),
        r"must be a NumPy array without a mask; fill it first with \w+\.filled",
    ),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [pytest.param(spoil, message, id=name) for name, spoil, message in WRONG],
)
@pytest.mark.parametrize(("function", "name"), ARRAYS)
def test_wrong_type(function, name, spoil, message, backend) -> None:
    shape = CALLS[function][0][name]
    with pytest.raises(TypeError, match=f"^{function}: {name} {message}"):
        run(function, backend, **{name: spoil(ones(*shape))})


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("function", "name"), [array for array in ARRAYS if array not in ANY_NDIM]
)
def test_wrong_number_of_dimensions(function: str, name: str, backend: str) -> None:
    shape = CALLS[function][0][name]
    message = rf"^{function}: {name} must have (\d dimensions|shape)"
    for wrong in ((1, *shape), shape[1:]):
        with pytest.raises(ValueError, match=message):
            run(function, backend, **{name: ones(*wrong)})


@pytest.mark.parametrize(
    ("function", "name"), [array for array in ARRAYS if len(CALLS[array[0]][0]) > 1]
)
def test_dtypes_do_not_mix(function: str, name: str) -> None:
    wide = np.ones(CALLS[function][0][name])
    message = rf"^{function}: \w+ must be float(32|64) like \w+, got float(64|32)"
    with pytest.raises(TypeError, match=message):
        run(function, "numpy", **{name: wide})


@needs_extension
@pytest.mark.parametrize("function", CALLS)
def test_cpu_refuses_float64(function: str) -> None:
    wide = {name: np.ones(shape) for name, shape in CALLS[function][0].items()}
    message = (
        f"^{function}: backend 'cpu' computes in float32, got float64; convert with "
    )
    with pytest.raises(TypeError, match=message):
        run(function, "cpu", **wide)
    result = run(function, "auto", **wide)
    first = result[0] if isinstance(result, tuple) else result
    assert first.dtype == np.float64


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", CALLS)
def test_subclasses_are_plain_arrays(function: str, backend: str) -> None:
    arrays = {
        name: ones(*shape).view(Subclass) for name, shape in CALLS[function][0].items()
    }
    results = run(function, backend, **arrays)
    plain = run(function, backend)
    if not isinstance(plain, tuple):
        results, plain = (results,), (plain,)
    for got, wanted in zip(results, plain, strict=True):
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", CALLS)
def test_nan_everywhere_comes_out(function: str, backend: str) -> None:
    nan = {
        name: np.full(shape, np.nan, np.float32)
        for name, shape in CALLS[function][0].items()
    }
    result = run(function, backend, **nan)
    first = result[0] if isinstance(result, tuple) else result
    if function in ("dropout", "max_pool2d_backward", "global_max_pool2d_backward"):
        # Elements that were dropped, and pixels that are no maximum, are 0.
        assert np.isnan(first).any() and (first == 0).any()
    elif function.endswith("backward_input") or function == "avg_pool2d_backward":
        # Not the last columns and rows, which no window may have reached.
        assert np.isnan(first[:, :5, :5]).all()
    else:
        assert np.isnan(first).all()


# Arrays that results go into.

OUTS = {
    "gemm": (2, 4),
    "conv2d": (2, 4, 5, 5),
    "conv2d_backward_input": IMAGE,
    "conv2d_max_pool2d_backward_input": IMAGE,
    "batch_norm_backward": (6, 4),
    "activation": (3, 4),
    "activation_backward": (3, 4),
}
# Where out may be dy itself.
IN_PLACE = ("activation_backward", "batch_norm_backward")


def read_only(shape: tuple[int, ...]) -> np.ndarray:
    array = ones(*shape)
    array.flags.writeable = False
    return array


def misaligned(shape: tuple[int, ...]) -> np.ndarray:
    raw = np.zeros(4 * int(np.prod(shape)) + 1, np.uint8)
    return raw[1:].view(np.float32).reshape(shape)


def strided(shape: tuple[int, ...]) -> np.ndarray:
    return ones(*shape[:-1], 2 * shape[-1])[..., ::2]


BAD_OUTS: list[tuple[Callable[[tuple[int, ...]], Any], type[Exception], str]] = [
    (read_only, ValueError, "out must be C-contiguous, .*; it is not writeable"),
    (misaligned, ValueError, "out must be C-contiguous, .*; it is not aligned"),
    (strided, ValueError, "out must be C-contiguous, .*; it is not C-contiguous"),
    (
        lambda shape: np.asfortranarray(ones(*shape)),
        ValueError,
        "out must be C-contiguous, aligned and writeable; it is not C-contiguous",
    ),
    (lambda shape: ones(*shape, 1), ValueError, "out must have shape"),
    (lambda shape: np.ones(shape), TypeError, "out must be float32, got float64"),
    (lambda shape: np.ones(shape, ">f4"), TypeError, "out must be float32, got >f4"),
    (
        lambda shape: ones(*shape).tolist(),
        TypeError,
        "out must be a NumPy array, got l",
    ),
    (lambda shape: np.ma.ones(shape, "f4"), TypeError, "out must be .* without a mask"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("make", "error", "message"), BAD_OUTS)
@pytest.mark.parametrize("function", OUTS)
def test_bad_out(function, make, error, message, backend) -> None:
    out = make(OUTS[function])
    before = np.array(out)
    with pytest.raises(error, match=f"^{function}: {message}"):
        run(function, backend, out=out)
    np.testing.assert_array_equal(np.array(out), before)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", OUTS)
def test_out_that_overlaps_an_input(function: str, backend: str) -> None:
    shape = OUTS[function]
    for name, size in CALLS[function][0].items():
        if function in IN_PLACE and name == "dy":
            continue  # see below, and test_batch_norm.py
        count = max(int(np.prod(shape)), int(np.prod(size)))
        shared = ones(count)
        out = shared[: int(np.prod(shape))].reshape(shape)
        given = shared[count - int(np.prod(size)) :].reshape(size)
        message = f"^{function}: out must not share memory with {name}"
        with pytest.raises(ValueError, match=message):
            run(function, backend, **{name: given, "out": out})
        assert (shared == 1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_activation_backward_into_dy(backend: str) -> None:
    dy = ones(3, 4)
    result = run("activation_backward", backend, dy=dy, saved=2 * ones(3, 4), out=dy)
    assert result is dy and (dy == -3).all()
    dy = ones(4, 4)
    with pytest.raises(ValueError, match="out must not share memory with dy"):
        run("activation_backward", backend, dy=dy[:3], out=dy[1:])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", CALLS)
def test_results_own_aligned_memory(function: str, backend: str) -> None:
    shapes, _ = CALLS[function]
    inputs = {name: ones(*shape) for name, shape in shapes.items()}
    result = run(function, backend, **inputs)
    for array in result if isinstance(result, tuple) else (result,):
        assert array.flags.carray
        assert not any(np.may_share_memory(array, value) for value in inputs.values())
