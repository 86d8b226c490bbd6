"""A case: one call of a kernel, compared with the same call in float64 on NumPy.

The error is relative in the norm, ``|got - expected| / |expected|`` over all
elements of an array, because single elements near zero carry rounding that is large
only beside themselves. NaN and infinity must stand where they are expected.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tilewright.kernels import dispatch
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.conformance.moving import on_cupy_arrays

EPSILON = 2.0**-23

# The largest error of each function in float32. Not what one machine happens to
# reach, but what its sums may lose: some hundred additions of random sign cost a
# few EPSILON (1.2e-7), and the limits leave room for another order of adding.
TOLERANCES = {
    "gemm": 2e-6,
    # Transforms that save multiplications (Winograd) cancel digits.
    "conv2d": 2e-5,
    "conv2d_backward_input": 2e-5,
    "conv2d_backward_weight": 2e-5,
    "conv2d_max_pool2d": 2e-5,
    "conv2d_max_pool2d_backward_input": 2e-5,
    "conv2d_max_pool2d_backward_weight": 2e-5,
    # A maximum is one of the inputs.
    "max_pool2d": 0.0,
    "global_max_pool2d": 0.0,
    "max_pool2d_backward": 1e-6,
    "global_max_pool2d_backward": 0.0,
    "avg_pool2d": 1e-6,
    "avg_pool2d_backward": 1e-6,
    "global_avg_pool2d": 1e-6,
    "global_avg_pool2d_backward": 1e-6,
    # Sums over the rows; of what is left of dy there may be little.
    "batch_norm": 1e-6,
    "batch_norm_backward": 2e-6,
    # The vectorised exponential is good to 2 EPSILON, and rows are summed.
    "softmax": 2e-6,
    "log_softmax": 2e-6,
    "softmax_backward": 2e-6,
    "log_softmax_backward": 2e-6,
    "softmax_cross_entropy": 2e-6,
    # Products, the loss, and products again.
    "linear_softmax_cross_entropy": 5e-6,
    # Elementwise: a handful of roundings each.
    "adam_step": 1e-6,
    "sgd_step": 1e-6,
    # A variance that is a difference, and a step added to its momentum.
    "rmsprop_step": 4e-6,
    "adagrad_step": 1e-6,
    "activation": 1e-6,
    "activation_backward": 1e-6,
    "dropout": 5e-7,
    "bias_gradient": 1e-6,
    "axis_sum": 1e-6,
    # One rounding, and none.
    "arithmetic": 1e-7,
    "copy": 0.0,
    "concatenate": 0.0,
    # A logarithm, and a sum of losses.
    "elementwise_loss": 1e-6,
    # Two roundings, and none.
    "clip_by_norm": 2e-7,
    "clip_by_value": 1e-7,
}


@dataclass(frozen=True)
class Arguments:
    """What a kernel is called with.

    Attributes
    ----------
    args
        Positional arguments: arrays, lists of arrays, anything else.
    options
        Keyword arguments. An array under ``out`` receives the result.
    """

    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def in_float64(self) -> Arguments:
        """Return the same arguments with every float array in float64."""
        return Arguments(
            tuple(_widened(value) for value in self.args),
            {name: _widened(value) for name, value in self.options.items()},
        )


@dataclass(frozen=True)
class Case:
    """One call of one kernel.

    Attributes
    ----------
    function
        The kernel's name in :mod:`tilewright.kernels`.
    name
        What is special about this call; unique among the function's cases.
    build
        Makes the arguments from a generator: the same at each call.
    in_place
        The kernel returns nothing and overwrites its lists of arrays.
    updated
        Names of keyword arguments that the kernel overwrites beside what it returns.
    """

    function: str
    name: str
    build: Callable[[np.random.Generator], Arguments]
    in_place: bool = False
    updated: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.function}: {self.name}"

    def arguments(self) -> Arguments:
        """Return the arguments, made anew."""
        seed = zlib.crc32(str(self).encode())
        return self.build(np.random.default_rng(seed))

    def expected(self) -> list[Array]:
        """Return the results in float64 on the numpy backend."""
        return self._call(self.arguments().in_float64(), "numpy")

    def results(self, backend: str) -> list[Array]:
        """Return the results of a backend in float32.

        Raises
        ------
        AssertionError
            If the kernel changed an array that it only reads, or does not return
            the ``out`` that it was given.
        """
        arguments = self.arguments()
        results = self._call(arguments, backend)
        out = arguments.options.get("out")
        if out is not None and results[0] is not out:
            raise AssertionError("the result is not the array given as out")
        if not self.in_place:
            self._expect_unchanged(arguments)
        return results

    def problem(
        self, backend: str, expected: Sequence[Array] | None = None
    ) -> str | None:
        """Run the case on a backend and return what is wrong, or None.

        Parameters
        ----------
        backend
            The backend's name.
        expected
            What :meth:`expected` returned, where it is at hand.
        """
        if expected is None:
            expected = self.expected()
        try:
            results = self.results(backend)
        except Exception as error:  # a kernel that fails is what we look for
            return f"{type(error).__name__}: {error}"
        if len(results) != len(expected):
            return f"{len(results)} results instead of {len(expected)}"
        for position, (got, want) in enumerate(zip(results, expected, strict=True)):
            wrong = difference(got, want, TOLERANCES[self.function])
            if wrong is not None:
                return f"result {position}: {wrong}"
        return None

    def _call(self, arguments: Arguments, backend: str) -> list[Array]:
        from tilewright import kernels

        function = getattr(kernels, self.function)
        if backend == dispatch.CUDA:
            result = on_cupy_arrays(function, arguments)
        else:
            with dispatch.backend(backend):
                result = function(*arguments.args, **arguments.options)
        if self.in_place:
            return [array for value in arguments.args for array in value or ()]
        if not isinstance(result, tuple):
            result = (result,)
        results = [array for array in result if array is not None]
        return results + [arguments.options[name] for name in self.updated]

    def _expect_unchanged(self, arguments: Arguments) -> None:
        fresh = self.arguments()
        written = [arguments.options.get(name) for name in ("out", *self.updated)]
        now = (*arguments.args, *arguments.options.values())
        before = (*fresh.args, *fresh.options.values())
        for value, old in zip(now, before, strict=True):
            if isinstance(value, np.ndarray) and not any(value is w for w in written):
                float_ = value.dtype.kind == "f"
                if not np.array_equal(value, old, equal_nan=float_):
                    raise AssertionError("an input has changed")


def difference(got: Array, expected: Array, tolerance: float) -> str | None:
    """Return how an array differs from what is expected, or None.

    Parameters
    ----------
    got
        A result in float32, or of integers.
    expected
        The same in float64; integers must be equal, dtype included.
    tolerance
        The largest error relative in the norm; 0: all must be equal.
    """
    wanted = expected.dtype if expected.dtype.kind != "f" else np.dtype(np.float32)
    if got.dtype != wanted:
        return f"dtype {got.dtype} instead of {wanted}"
    if got.shape != expected.shape:
        return f"shape {got.shape} instead of {expected.shape}"
    if expected.dtype.kind != "f":
        unequal = int(np.count_nonzero(got != expected))
        return f"{unequal} of {got.size} codes differ" if unequal else None
    finite = np.isfinite(expected)
    if not np.array_equal(got[~finite], expected[~finite], equal_nan=True):
        return "NaN or infinity expected, something else found"
    if not np.isfinite(got[finite]).all():
        return "NaN or infinity where a number is expected"
    distance = _norm(got[finite].astype(np.float64) - expected[finite])
    scale = _norm(expected[finite])
    if distance > tolerance * scale:
        error = distance / scale if scale else math.inf
        return f"error {error:.2e}, at most {tolerance:.0e} allowed"
    return None


def _norm(values: Array) -> float:
    return math.sqrt(float(np.dot(values.ravel(), values.ravel())))


def _widened(value: Any) -> Any:
    if isinstance(value, list):
        return [_widened(item) for item in value]
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64, order="C")
    return value
