"""Which pixels the taps of a window meet: the geometry of convolution and pooling.

Output pixel (p, q) reads at tap (r, s) the input pixel

    (p * stride + r * dilation - top, q * stride + s * dilation - left)

unless that lies in the padding. Seen from a tap this is one strided rectangle of the
input beside one rectangle of the output, so that a loop over taps does all pixels at
once, and the padding never has to be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tilewright.kernels.backends.protocol import Padding, Pair, Shape

Region = tuple[slice, slice, slice]


class Tap(NamedTuple):
    """A tap and the pixels that it joins, as indices of ``(N, rows, columns, C)``."""

    r: int
    s: int
    inputs: Region
    outputs: Region


def joined(
    input_shape: Shape,
    output_shape: Shape,
    window: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair = (1, 1),
) -> Iterator[Tap]:
    """Yield the taps of a window in row-major order; not those all in the padding."""
    rows, columns = (
        _overlaps(
            input_shape[axis + 1],
            output_shape[axis + 1],
            window[axis],
            stride[axis],
            padding[axis][0],
            dilation[axis],
        )
        for axis in (0, 1)
    )
    images = slice(None)
    for r, rows_in, rows_out in rows:
        for s, columns_in, columns_out in columns:
            yield Tap(
                r,
                s,
                (images, rows_in, columns_in),
                (images, rows_out, columns_out),
            )


def _overlaps(
    size: int, outputs: int, taps: int, stride: int, before: int, dilation: int
) -> list[tuple[int, slice, slice]]:
    found = []
    # Taps outside of this range meet no pixel at all: a huge window over a small,
    # padded image has many.
    first_tap = max(0, -(((outputs - 1) * stride - before) // dilation))
    last_tap = min(taps - 1, (size - 1 + before) // dilation)
    for tap in range(first_tap, last_tap + 1):
        shift = tap * dilation - before
        first = max(0, -(shift // stride))  # the least p of p * stride + shift >= 0
        last = min(outputs - 1, (size - 1 - shift) // stride)
        if first <= last:
            inputs = slice(first * stride + shift, last * stride + shift + 1, stride)
            found.append((tap, inputs, slice(first, last + 1)))
    return found
