"""Every operation once or more: what the gradient tests go through.

A case is a function written so that it means the same for Tensors of tilewright and
of PyTorch (the first argument is the library), and the shapes of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tilewright import autograd


class Ours:
    """The few names that differ between the two libraries."""

    cat = staticmethod(autograd.concatenate)
    stack = staticmethod(autograd.stack)
    where = staticmethod(autograd.where)
    maximum = staticmethod(autograd.maximum)
    minimum = staticmethod(autograd.minimum)
    matmul = staticmethod(autograd.matmul)

    @staticmethod
    def constant(values):
        return np.asarray(values)

    @staticmethod
    def amax(x, axis=None, keepdims=False):
        return x.max(axis, keepdims)

    @staticmethod
    def amin(x, axis=None, keepdims=False):
        return x.min(axis, keepdims)

    @staticmethod
    def reduce(x, name, **options):
        return getattr(x, name)(**options)

    @staticmethod
    def clip(x, low, high):
        return x.clip(low, high)


class Case(NamedTuple):
    name: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    # Of the inputs' values; where logarithms and roots live, above 0.
    low: float = -2.0
    high: float = 2.0


def _assigned(x, part, value):
    y = x * 1
    y[part] = value
    return y


def _in_place(x, y):
    z = x * 2
    z += y
    z *= y
    z -= x
    z /= y
    return z


def _squared_in_place(x):
    y = x * 1
    y *= y
    return y


MASK = np.array([[True, False, True], [False, False, True]])
ROWS = np.array([1, 0, 1, 1])

CASES = (
    Case("add", lambda _, x, y: x + y, ((2, 3), (2, 3))),
    Case("add_broadcast", lambda _, x, y: x + y, ((2, 1, 3), (4, 1))),
    Case("add_bias", lambda _, x, y: x + y, ((5, 2, 3), (3,))),
    Case("add_scalar_tensor", lambda _, x, y: x + y, ((2, 3), ())),
    Case("add_number", lambda _, x: 1 + (x + 2.5), ((2, 3),)),
    Case("subtract", lambda _, x, y: x - y, ((2, 3), (3,))),
    Case("subtract_from_number", lambda _, x: 1 - x, ((2, 3),)),
    Case("multiply", lambda _, x, y: x * y, ((2, 3), (2, 1))),
    Case("multiply_itself", lambda _, x: x * x, ((2, 3),)),
    Case("multiply_number", lambda _, x: 2 * x * 0.5, ((2, 3),)),
    Case("divide", lambda _, x, y: x / y, ((2, 3), (3,)), 0.5),
    Case("divide_number", lambda _, x: x / 3 + 3 / x, ((2, 3),), 0.5),
    Case("square", lambda _, x: x**2, ((2, 3),)),
    Case("power_zero", lambda _, x: x**0, ((2, 3),)),
    Case("power_number", lambda _, x: x**-1.5, ((2, 3),), 0.5),
    Case("power_of_number", lambda _, x: 2.0**x, ((2, 3),)),
    Case("power", lambda _, x, y: x**y, ((2, 3), (3,)), 0.5),
    Case("negative", lambda _, x: -x, ((2, 3),)),
    Case("absolute", lambda _, x: abs(x), ((2, 3),)),
    Case("exp", lambda _, x: x.exp(), ((2, 3),)),
    Case("log", lambda _, x: x.log(), ((2, 3),), 0.5),
    Case("sqrt", lambda _, x: x.sqrt(), ((2, 3),), 0.5),
    Case("tanh", lambda _, x: x.tanh(), ((2, 3),)),
    Case("sigmoid", lambda _, x: x.sigmoid(), ((2, 3),)),
    Case("relu", lambda _, x: x.relu(), ((4, 5),)),
    Case("clip", lambda lib, x: lib.clip(x, -0.5, 1.0), ((4, 5),)),
    Case("clip_above", lambda lib, x: lib.clip(x, None, 0.5), ((4, 5),)),
    Case("maximum", lambda lib, x, y: lib.maximum(x, y), ((2, 3), (3,))),
    Case("minimum", lambda lib, x, y: lib.minimum(x, y), ((2, 3), (2, 1))),
    Case("sum", lambda lib, x: lib.reduce(x, "sum"), ((2, 3),)),
    Case("sum_rows", lambda lib, x: lib.reduce(x, "sum", axis=0), ((4, 3),)),
    Case(
        "sum_axes",
        lambda lib, x: lib.reduce(x, "sum", axis=(0, -1), keepdims=True),
        ((2, 3, 4),),
    ),
    Case("mean", lambda lib, x: lib.reduce(x, "mean"), ((2, 3),)),
    Case("mean_axis", lambda lib, x: lib.reduce(x, "mean", axis=-1), ((2, 3),)),
    Case("max", lambda lib, x: lib.amax(x), ((2, 3),)),
    Case("max_axes", lambda lib, x: lib.amax(x, (0, 2)), ((2, 3, 4),)),
    Case("min_axis", lambda lib, x: lib.amin(x, 1, True), ((2, 3, 4),)),
    Case("var", lambda lib, x: lib.reduce(x, "var"), ((2, 3),)),
    Case(
        "var_axis",
        lambda lib, x: lib.reduce(x, "var", axis=0, correction=0, keepdims=True),
        ((4, 3),),
    ),
    Case("reshape", lambda _, x: x.reshape(3, -1), ((2, 3, 4),)),
    Case("reshape_of_turned", lambda _, x: x.T.reshape(6), ((2, 3),)),
    Case("flatten", lambda _, x: x.flatten(1), ((2, 3, 4),)),
    Case("flatten_middle", lambda _, x: x.flatten(1, 2), ((2, 3, 4, 2),)),
    Case("turn", lambda _, x: x.T * 2, ((2, 3),)),
    Case("permute", lambda _, x: x.permute(2, 0, 1), ((2, 3, 4),)),
    Case("transpose", lambda _, x: x.transpose(-1, 0), ((2, 3, 4),)),
    Case("squeeze", lambda _, x: x.squeeze(1), ((2, 1, 4, 1),)),
    Case("squeeze_all", lambda _, x: x.squeeze(), ((2, 1, 4, 1),)),
    Case("unsqueeze", lambda _, x: x.unsqueeze(-1), ((2, 3),)),
    Case("broadcast_to", lambda _, x: x.broadcast_to((4, 2, 3)), ((2, 1),)),
    Case("getitem_row", lambda _, x: x[1], ((3, 4),)),
    Case("getitem_element", lambda _, x: x[1, 2], ((3, 4),)),
    Case("getitem_slices", lambda _, x: x[1:, None, ..., ::2], ((3, 4),)),
    Case("getitem_rows", lambda _, x: x[ROWS], ((2, 3),)),
    Case("getitem_list", lambda _, x: x[:, [2, 0, 2]], ((2, 3),)),
    Case("getitem_pairs", lambda _, x: x[ROWS, ROWS], ((2, 3),)),
    Case("getitem_mask", lambda _, x: x[MASK], ((2, 3),)),
    Case("setitem", lambda _, x, y: _assigned(x, 1, y), ((2, 3), (3,))),
    Case("setitem_spread", lambda _, x, y: _assigned(x, ..., y), ((2, 3), (2, 1))),
    Case("setitem_number", lambda _, x: _assigned(x, (slice(None), 0), 7.0), ((2, 3),)),
    Case("setitem_mask", lambda _, x, y: _assigned(x, MASK, y), ((2, 3), (3,))),
    Case("in_place", lambda _, x, y: _in_place(x, y), ((2, 3), (3,)), 0.5),
    Case("in_place_square", lambda _, x: _squared_in_place(x), ((2, 3),)),
    Case("where", lambda lib, x, y: lib.where(x > y, x * 2, y), ((2, 3), (3,))),
    Case("where_number", lambda lib, x: lib.where(x > 0, x, 0.5), ((2, 3),)),
    Case("matmul", lambda _, x, y: x @ y, ((2, 3), (3, 4))),
    Case("matmul_turned", lambda _, x, y: x.T @ y.T, ((3, 2), (4, 3))),
    Case("matmul_vectors", lambda _, x, y: x @ y, ((3,), (3,))),
    Case("matmul_vector_right", lambda _, x, y: x @ y, ((2, 3), (3,))),
    Case("matmul_vector_left", lambda _, x, y: x @ y, ((3,), (3, 4))),
    Case("matmul_batch_vector", lambda _, x, y: x @ y, ((5, 2, 3), (3,))),
    Case("matmul_vector_batch", lambda _, x, y: x @ y, ((3,), (5, 3, 2))),
    Case("matmul_batch_matrix", lambda _, x, y: x @ y, ((5, 2, 3), (3, 4))),
    Case("matmul_matrix_batch", lambda _, x, y: x @ y, ((2, 3), (5, 3, 4))),
    Case("matmul_batches", lambda _, x, y: x @ y, ((5, 1, 2, 3), (4, 3, 2))),
    Case(
        "concatenate",
        lambda lib, x, y: lib.cat((x, y, x), 1),
        ((2, 3), (2, 1)),
    ),
    Case("stack", lambda lib, x, y: lib.stack((x, y), -1), ((2, 3), (2, 3))),
    Case("split", lambda _, x: x.split(2)[0].sum() * x.split(2)[2].exp(), ((5, 3),)),
    Case("clone", lambda _, x: x.clone() * x, ((2, 3),)),
    Case("diamond", lambda _, x: (x * 2) * (x * 2).exp() + x, ((2, 3),)),
)


def inputs(case: Case, dtype: Any = np.float64) -> list[np.ndarray]:
    """Return values that are no closer to each other than the steps of gradcheck."""
    rng = np.random.default_rng(len(case.name))
    arrays = []
    for position, shape in enumerate(case.shapes):
        size = int(np.prod(shape))
        grid = np.linspace(case.low, case.high, size + 2)[1:-1]
        # Off 0, 0.5 and the other input's grid, where functions have kinks.
        values = rng.permutation(grid) + 0.013 * (position + 1)
        arrays.append(values.reshape(shape).astype(dtype))
    return arrays
