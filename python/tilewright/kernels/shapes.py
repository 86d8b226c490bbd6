"""Shape arithmetic of convolution and pooling: sizes in, sizes out.

Letters as everywhere in tilewright: N images of H rows, W columns and C channels;
K output channels; R rows and S columns of a kernel or window; P rows and Q columns
of output. P = floor((H + top + bottom - ((R - 1) dilation + 1)) / stride) + 1.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tilewright.kernels.backends.protocol import Array, Padding, Pair, Shape
from tilewright.kernels.checks import (
    LARGEST_INT,
    bytes_fit,
    c_order,
    integer,
    ndarray,
)

ITEMSIZE = 8  # of float64, the larger: what fits then fits on every backend
BYTE = np.dtype(np.uint8)
INT32 = np.dtype(np.int32)


class ConvGeometry(NamedTuple):
    """A convolution's checked sizes, in the form that backends take."""

    stride: Pair
    padding: Padding
    dilation: Pair
    groups: int
    output_shape: Shape


class PoolGeometry(NamedTuple):
    """A pooling's checked sizes, in the form that backends take."""

    window: Pair
    stride: Pair
    padding: Padding
    output_shape: Shape


def pair(op: str, name: str, value: Any, minimum: int) -> Pair:
    """Return an int or a pair of ints as a pair, each at least ``minimum``."""
    if type(value) is int and minimum <= value <= LARGEST_INT:
        return value, value
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(
                f"{op}: {name} must be an int or a pair of ints, got {value!r}"
            )
        first, second = value
        return integer(op, name, first, minimum), integer(op, name, second, minimum)
    both = integer(op, name, value, minimum)
    return both, both


def conv_padding(op: str, value: Any) -> Pair | str:
    """Return a convolution's padding as a pair, or "valid" or "same" as it came."""
    if isinstance(value, str):
        if value not in ("valid", "same"):
            raise ValueError(
                f"{op}: padding must be an int, a pair of ints, 'valid' or 'same', "
                f"got {value!r}"
            )
        return value
    return pair(op, "padding", value, 0)


def conv(
    op: str,
    input_shape: Shape,
    weight_shape: Shape,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    names: tuple[str, str] = ("x", "weight"),
) -> ConvGeometry:
    """Check a convolution's sizes and work out the rest.

    Parameters
    ----------
    op
        The function's name, for messages.
    input_shape
        ``(N, H, W, C)``.
    weight_shape
        ``(R, S, C / groups, K)``.
    stride, padding, dilation, groups
        As a caller writes them.
    names
        What the caller calls the two shapes.

    Raises
    ------
    ValueError
        If the sizes do not agree or the output would be empty or too large.
    TypeError
        If a size is no int.
    """
    return _conv(
        op,
        input_shape,
        weight_shape,
        pair(op, "stride", stride, 1),
        conv_padding(op, padding),
        pair(op, "dilation", dilation, 1),
        integer(op, "groups", groups, 1),
        names,
    )


@functools.lru_cache(maxsize=4096)
def _conv(
    op: str,
    input_shape: Shape,
    weight_shape: Shape,
    stride: Pair,
    padding: Pair | str,
    dilation: Pair,
    groups: int,
    names: tuple[str, str],
) -> ConvGeometry:
    x, weight = names
    shapes = f"({x}: {input_shape}, {weight}: {weight_shape})"
    N, H, W, C = input_shape
    R, S, group_channels, K = weight_shape
    for size, what, name in (
        (R, "kernel rows", weight),
        (S, "kernel columns", weight),
        (group_channels, "input channels", weight),
        (K, "output channels", weight),
        (C, "channels", x),
    ):
        if size < 1:
            raise ValueError(f"{op}: {name} has 0 {what} {shapes}")
    if group_channels * groups != C:
        expected = f"{group_channels * groups}"
        if groups > 1:
            expected += f" ({groups} groups of {group_channels})"
        raise ValueError(
            f"{op}: {x} has {C} channels but {weight} expects {expected} {shapes}"
        )
    if K % groups:
        raise ValueError(
            f"{op}: {weight} has {K} output channels, which groups={groups} does "
            f"not divide {shapes}"
        )
    extents = ((R - 1) * dilation[0] + 1, (S - 1) * dilation[1] + 1)
    if padding == "same":
        pads = (
            _same(H, extents[0], stride[0]),
            _same(W, extents[1], stride[1]),
        )
    elif isinstance(padding, str):
        pads = ((0, 0), (0, 0))
    else:
        pads = ((padding[0], padding[0]), (padding[1], padding[1]))
    P = (H + sum(pads[0]) - extents[0]) // stride[0] + 1
    Q = (W + sum(pads[1]) - extents[1]) // stride[1] + 1
    if P < 1 or Q < 1:
        raise ValueError(
            f"{op}: {weight} reaches over {extents[0]}x{extents[1]} pixels but {x} "
            f"has {H + sum(pads[0])}x{W + sum(pads[1])}, padding included {shapes}"
        )
    output_shape = (N, P, Q, K)
    bytes_fit(op, x, input_shape, ITEMSIZE)
    bytes_fit(op, weight, weight_shape, ITEMSIZE)
    bytes_fit(op, "output", output_shape, ITEMSIZE)
    return ConvGeometry(stride, pads, dilation, groups, output_shape)


def conv_of_weight_gradient(
    op: str,
    input_shape: Shape,
    kernel_size: Pair,
    K: int,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> ConvGeometry:
    """Check the sizes of a convolution whose weight's shape has to be worked out."""
    groups = integer(op, "groups", groups, 1)
    C = input_shape[3]
    if C % groups:
        raise ValueError(
            f"{op}: x has {C} channels, which groups={groups} does not divide "
            f"(x: {input_shape})"
        )
    weight_shape = (*kernel_size, C // groups, K)
    names = ("x", "dweight")
    return conv(op, input_shape, weight_shape, stride, padding, dilation, groups, names)


def _same(size: int, extent: int, stride: int) -> Pair:
    """Padding before and after, by TensorFlow's rule: an odd one goes after."""
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def pool(
    op: str,
    input_shape: Shape,
    window: Any,
    stride: Any,
    padding: Any,
    name: str = "x",
) -> PoolGeometry:
    """Check a pooling's sizes and work out the rest.

    Parameters
    ----------
    op
        The function's name, for messages.
    input_shape
        ``(N, H, W, C)``.
    window, stride, padding
        As a caller writes them; a stride of None is the window.
    name
        What the caller calls the input.

    Raises
    ------
    ValueError
        If the window does not fit, or the padding is more than half of it.
    TypeError
        If a size is no int.
    """
    windows = pair(op, "window", window, 1)
    return _pool(
        op,
        input_shape,
        windows,
        windows if stride is None else pair(op, "stride", stride, 1),
        pair(op, "padding", padding, 0),
        name,
    )


@functools.lru_cache(maxsize=4096)
def _pool(
    op: str, input_shape: Shape, window: Pair, stride: Pair, padding: Pair, name: str
) -> PoolGeometry:
    N, H, W, C = input_shape
    if C < 1:
        raise ValueError(f"{op}: {name} has 0 channels ({name}: {input_shape})")
    if 2 * padding[0] > window[0] or 2 * padding[1] > window[1]:
        raise ValueError(
            f"{op}: padding must be at most half of the window, got padding "
            f"{padding} for window {window}"
        )
    P = (H + 2 * padding[0] - window[0]) // stride[0] + 1
    Q = (W + 2 * padding[1] - window[1]) // stride[1] + 1
    if P < 1 or Q < 1 or H < 1 or W < 1:
        raise ValueError(
            f"{op}: window {window} is larger than {name} with padding {padding} "
            f"({name}: {input_shape})"
        )
    if window[0] * window[1] > LARGEST_INT:
        raise ValueError(f"{op}: window {window} has more than 2**31-1 taps")
    output_shape = (N, P, Q, C)
    bytes_fit(op, name, input_shape, ITEMSIZE)
    bytes_fit(op, "output", output_shape, ITEMSIZE)
    pads = ((padding[0], padding[0]), (padding[1], padding[1]))
    return PoolGeometry(window, stride, pads, output_shape)


def gradient_of(op: str, dy: Array, expected: Shape, what: str) -> None:
    """Check that the gradient of an output has the output's shape.

    Raises
    ------
    ValueError
        If it has another; `what` says what the output is.
    """
    if dy.shape != expected:
        raise ValueError(f"{op}: dy must have shape {expected}, {what}, got {dy.shape}")


def index_dtype(window: Pair) -> np.dtype[Any]:
    """Return the dtype of max pooling's indices: one byte where that will do."""
    return BYTE if window[0] * window[1] <= 254 else INT32


def no_gradient(window: Pair) -> int:
    """Return the code of an output that lets no gradient through."""
    return 255 if window[0] * window[1] <= 254 else -1


def code_error(op: str, indices: Array, window: Pair) -> ValueError | None:
    """Return the error of the first code outside of the window, if there is one."""
    codes = indices.astype(np.int64)
    taps = window[0] * window[1]
    bad = (codes != no_gradient(window)) & ((codes < 0) | (codes >= taps))
    if not bad.any():
        return None
    where = tuple(int(axis[0]) for axis in np.nonzero(bad))
    return ValueError(
        f"{op}: indices must be in [0, {taps}) for window {window} (or "
        f"{no_gradient(window)}, no gradient), got {int(codes[where])} at {where}"
    )


def codes(
    op: str,
    indices: Any,
    expected_shape: Shape,
    window: Pair,
    what: str = "window",
) -> Array:
    """Return max pooling's indices in C order, their dtype and shape checked.

    `what` is what the caller calls the window.
    """
    plain = ndarray(op, "indices", indices)
    expected = index_dtype(window)
    if plain.dtype != expected or not plain.dtype.isnative:
        raise TypeError(
            f"{op}: indices must be {expected.name} for {what} {window}, "
            f"got {plain.dtype}"
        )
    if plain.shape != expected_shape:
        raise ValueError(
            f"{op}: indices must have dy's shape {expected_shape}, got {plain.shape}"
        )
    return c_order(plain)


@contextlib.contextmanager
def naming_wrong_codes(op: str, indices: Array, window: Pair) -> Iterator[None]:
    """Name the first code outside of the window where a kernel refuses them.

    Only then are they read here too: a pass of their own over them would cost as
    much as a tenth of the kernel.
    """
    try:
        yield
    except ValueError as error:
        raise code_error(op, indices, window) or error from None
