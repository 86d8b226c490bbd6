"""Activations, dropout, the four operations, sums, copies: one pass over memory each.

References: D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016,
https://arxiv.org/abs/1606.08415; N. Srivastava et al., "Dropout", JMLR 15, 2014;
J. K. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011
(Philox4x32-10, whose words decide what dropout keeps).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import FloatArray
from tilewright.kernels.device_arrays import may_be_written, may_share_memory

KINDS = ("relu", "leaky_relu", "gelu", "sigmoid", "tanh")
OPERATIONS = ("add", "subtract", "multiply", "divide")
_NUMBERS = (float, int, np.floating, np.integer)


def activation(
    x: FloatArray,
    kind: str,
    *,
    negative_slope: float = 0.01,
    out: FloatArray | None = None,
) -> FloatArray:
    """Return an activation of each element. NaN stays NaN.

    Parameters
    ----------
    x
        Of any shape.
    kind
        ``"relu"``; ``"leaky_relu"``; ``"gelu"``, by the error function itself and
        not its tanh approximation; ``"sigmoid"``; ``"tanh"``.
    negative_slope
        Of ``"leaky_relu"`` below 0; at least 0.
    out
        Of x's shape: receives the result and is returned.

    Returns
    -------
    Of x's shape.

    Raises
    ------
    ValueError
        If there is no such activation or out cannot be written.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> activation(np.array([-1, 2], np.float32), "relu")
    array([0., 2.], dtype=float32)
    """
    given = x
    x = checks.floating("activation", "x", x, None)
    if kind not in KINDS:
        checks.choice("activation", "kind", kind, KINDS)
    negative_slope = checks.number("activation", "negative_slope", negative_slope)
    if out is not None:
        out = checks.output("activation", out, x.shape, x.dtype, (("x", given),))
    return dispatch.for_array("activation", x).activation(x, kind, negative_slope, out)


def activation_backward(
    dy: FloatArray,
    saved: FloatArray,
    kind: str,
    *,
    negative_slope: float = 0.01,
    out: FloatArray | None = None,
) -> FloatArray:
    """Return the gradient of :func:`activation` with respect to x.

    Parameters
    ----------
    dy
        The gradient of the result, of any shape.
    saved
        Of dy's shape: the result y of the forward call, but for ``"gelu"`` its x.
    kind, negative_slope
        As in the forward call. Where y is 0, relu has the gradient 0.
    out
        Of dy's shape: receives the gradient and is returned. May be dy itself.

    Returns
    -------
    Of dy's shape.

    Raises
    ------
    ValueError
        If shapes differ, there is no such activation, or out cannot be written.
    TypeError
        If dy is not float32 (float64 on the numpy backend), or saved not like it.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0, 2], np.float32)
    >>> activation_backward(np.ones(2, np.float32), y, "relu")
    array([0., 1.], dtype=float32)
    """
    op = "activation_backward"
    given = (("dy", None if out is dy else dy), ("saved", saved))
    dy = checks.floating(op, "dy", dy, None)
    saved = checks.like(op, "saved", saved, dy.shape, "dy", dy)
    if kind not in KINDS:
        checks.choice(op, "kind", kind, KINDS)
    negative_slope = checks.number(op, "negative_slope", negative_slope)
    if out is not None:
        out = checks.output(op, out, dy.shape, dy.dtype, given)
    return dispatch.for_array(op, dy).activation_backward(
        dy, saved, kind, negative_slope, out
    )


def dropout(x: FloatArray, p: float, *, seed: int, offset: int = 0) -> FloatArray:
    """Return x with a share p of its elements set to 0 and the rest over 1 - p.

    Element i, in C order, is kept where its random number ``u`` in [0, 1) is at
    least p. u is the upper 24 bits of word ``i % 4`` of Philox4x32-10 under the key
    ``seed`` and the counter ``offset + i // 4``: the same on every backend and for
    any number of threads. The backward pass is dropout of dy by the same numbers.

    Parameters
    ----------
    x
        Of any shape.
    p
        In ``[0, 1]``.
    seed, offset
        In ``[0, 2**64)``; :func:`tilewright.random.dropout_key` hands them out. A
        call uses up ``ceil(x.size / 4)`` counters.

    Returns
    -------
    Of x's shape.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> dropout(np.ones(6, np.float32), 0.5, seed=0)
    array([0., 2., 2., 2., 2., 0.], dtype=float32)
    """
    x = checks.floating("dropout", "x", x, None)
    p = checks.number("dropout", "p", p, 0.0, 1.0)
    seed = checks.integer("dropout", "seed", seed, 0, 2**64 - 1)
    offset = checks.integer("dropout", "offset", offset, 0, 2**64 - 1)
    return dispatch.for_array("dropout", x).dropout(x, p, seed, offset)


def bias_gradient(dy: FloatArray) -> FloatArray:
    """Return the gradient of a bias: the sum of dy over all axes but the last.

    Parameters
    ----------
    dy
        ``(..., K)``, with at least one dimension.

    Returns
    -------
    ``(K,)``

    Raises
    ------
    ValueError
        If dy has no dimension.
    TypeError
        If dy is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> bias_gradient(np.ones((2, 3, 4), np.float32))
    array([6., 6., 6., 6.], dtype=float32)
    """
    dy = checks.floating("bias_gradient", "dy", dy, None)
    if dy.ndim == 0:
        raise ValueError("bias_gradient: dy must have at least 1 dimension, got 0")
    if dy.ndim != 2:
        K = dy.shape[-1]
        dy = dy.reshape(dy.size // K if K else 0, K)
    return dispatch.for_array("bias_gradient", dy).bias_gradient(dy)


def axis_sum(x: FloatArray, axes: int | tuple[int, ...]) -> FloatArray:
    """Return the sum over axes, added up in blocks of fixed size.

    Parameters
    ----------
    x
        Of any shape.
    axes
        Those that go; without repetition, negative ones from the end.

    Returns
    -------
    Of x's shape without these axes.

    Raises
    ------
    ValueError
        If there is no such axis, or one comes twice.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> axis_sum(np.ones((2, 3, 4), np.float32), (0, 2))
    array([8., 8., 8.], dtype=float32)
    """
    x = checks.floating("axis_sum", "x", x, None)
    given = axes if isinstance(axes, tuple) else (axes,)
    over = {checks.integer("axis_sum", "axes", a, -x.ndim, x.ndim - 1) for a in given}
    over = {axis % x.ndim for axis in over}
    if len(over) != len(given):
        raise ValueError(f"axis_sum: axes must not repeat, got {given}")
    backend = dispatch.for_array("axis_sum", x)
    if not over:
        return backend.copy(x, None)
    axis = x.ndim - 1
    while axis >= 0:  # axes side by side are one, from the last on
        if axis not in over:
            axis -= 1
            continue
        end = axis + 1
        while axis - 1 in over:
            axis -= 1
        before, rows, after = x.shape[:axis], x.shape[axis:end], x.shape[end:]
        grid = x.reshape(math.prod(before), math.prod(rows), math.prod(after))
        x = backend.axis_sum(grid).reshape((*before, *after))
        axis -= 1
    return x


def arithmetic(
    a: FloatArray | float,
    b: FloatArray | float,
    kind: str,
    *,
    out: FloatArray | None = None,
) -> FloatArray:
    """Return a and b joined element by element by one of the four operations.

    Each element is rounded once, so that all backends agree to the bit (but for
    denormal numbers, which count as zero inside a C++ kernel).

    Parameters
    ----------
    a, b
        Arrays of shapes that broadcast, or numbers; at least one array.
    kind
        ``"add"``, ``"subtract"``, ``"multiply"`` or ``"divide"``. Division by 0
        gives infinity or NaN in silence.
    out
        Of the broadcast shape: receives the result and is returned. May be a or b
        itself.

    Returns
    -------
    Of the broadcast shape.

    Raises
    ------
    ValueError
        If the shapes do not broadcast, there is no such operation, or out cannot be
        written.
    TypeError
        If an array is not float32 (float64 on the numpy backend), the two differ in
        dtype, or neither is an array.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1, 2], [3, 4]], np.float32)
    >>> arithmetic(x, x[0], "multiply")
    array([[1., 4.],
           [3., 8.]], dtype=float32)
    >>> arithmetic(1, x, "divide")[0]
    array([1. , 0.5], dtype=float32)
    """
    given = (("a", None if out is a else a), ("b", None if out is b else b))
    left, right = _operand("a", a), _operand("b", b)
    if not isinstance(left, float):
        array = left
    elif not isinstance(right, float):
        array = right
    else:
        raise TypeError("arithmetic: a or b must be a NumPy array, got two numbers")
    shape = array.shape
    if not isinstance(left, float) and not isinstance(right, float):
        checks.same_dtype("arithmetic", "b", right, "a", left)
        if left.shape != right.shape:
            shape = _broadcast_shape(left, right)
    if kind not in OPERATIONS:
        checks.choice("arithmetic", "kind", kind, OPERATIONS)
    if out is not None:
        arrays = [(n, v) for n, v in given if not isinstance(v, _NUMBERS)]
        out = checks.output("arithmetic", out, shape, array.dtype, arrays)
    return dispatch.for_array("arithmetic", array).arithmetic(left, right, kind, out)


def _operand(name: str, value: FloatArray | float) -> FloatArray | float:
    if isinstance(value, _NUMBERS):
        return float(value)
    return checks.floating("arithmetic", name, value, None)


def _broadcast_shape(a: FloatArray, b: FloatArray) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"arithmetic: shapes {a.shape} and {b.shape} do not broadcast"
        ) from None


def copy(x: FloatArray, *, out: FloatArray | None = None) -> FloatArray:
    """Return a copy of an array of any strides, in C order.

    Parameters
    ----------
    x
        Of any shape; transposed, repeated and sliced arrays are read as they lie.
    out
        Of x's shape, of any strides: receives the elements and is returned.

    Returns
    -------
    Of x's shape.

    Raises
    ------
    ValueError
        If out has another shape, is read-only or shares memory with x.
    TypeError
        If x is not float32 (float64 on the numpy backend), or out not like it.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1, 2], [3, 4]], np.float32)
    >>> copy(x.T)
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    x = checks.strided("copy", "x", x)
    if out is not None:
        out = checks.strided("copy", "out", out)
        checks.same_dtype("copy", "out", out, "x", x)
        if out.shape != x.shape:
            raise ValueError(f"copy: out must have shape {x.shape}, got {out.shape}")
        if not may_be_written(out):
            raise ValueError("copy: out must be aligned and writeable")
        if may_share_memory(out, x):
            raise ValueError("copy: out must not share memory with x")
    return dispatch.for_array("copy", x).copy(x, out)


def concatenate(arrays: Sequence[FloatArray], axis: int = 0) -> FloatArray:
    """Return arrays joined along an axis.

    Parameters
    ----------
    arrays
        At least one; of shapes that agree but for the axis, and of any strides.
    axis
        One that they have; negative from the end.

    Returns
    -------
    The first shape with the extents along the axis added up.

    Raises
    ------
    ValueError
        If there is no array or no such axis, or the shapes do not fit.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or they differ in
        dtype.

    Examples
    --------
    >>> import numpy as np
    >>> concatenate([np.ones((2, 1), np.float32), np.zeros((2, 2), np.float32)], 1)
    array([[1., 0., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    found = [
        checks.strided("concatenate", f"array {i}", x) for i, x in _counted(arrays)
    ]
    first = found[0]
    axis = checks.integer("concatenate", "axis", axis, -first.ndim, first.ndim - 1)
    axis %= first.ndim
    for position, x in enumerate(found):
        name = f"array {position}"
        checks.same_dtype("concatenate", name, x, "array 0", first)
        if x.ndim != first.ndim or any(
            n != m
            for a, (n, m) in enumerate(zip(x.shape, first.shape, strict=True))
            if a != axis
        ):
            raise ValueError(
                f"concatenate: {name} must have the shape {first.shape} but for axis "
                f"{axis}, got {x.shape}"
            )
    return dispatch.for_array("concatenate", first).concatenate(found, axis)


def _counted(arrays: Any) -> list[tuple[int, FloatArray]]:
    if isinstance(arrays, np.ndarray) or not isinstance(arrays, Sequence):
        raise TypeError(
            f"concatenate: arrays must be a list, got {type(arrays).__name__}"
        )
    if not arrays:
        raise ValueError("concatenate: arrays must not be empty")
    return list(enumerate(arrays))
