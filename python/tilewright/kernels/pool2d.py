"""Max and average pooling over windows of pixels, forward and backward.

Layout ``(N, H, W, C)``. Output sizes round down: ``P = (H + 2 padding - R) //
stride + 1``, the last rows and columns that fill no window being left out.

Max pooling returns, beside the maxima, where each was found: its tap's number in
the window, ``r * S + s``. One byte per output says all that the backward pass
needs. In a window the first maximum in row-major order wins, NaN wins over numbers
(and the first NaN over later ones) and padding never wins.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.kernels import checks, dispatch, shapes
from tilewright.kernels.backends.protocol import Array, FloatArray, PairLike, Shape


def max_pool2d(
    x: FloatArray,
    window: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PairLike = 0,
) -> tuple[FloatArray, Array]:
    """Return the maximum of each window, and where it stands.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.
    window
        ``(R, S)``, or an int for both.
    stride
        An int or a pair; None: the window.
    padding
        On each side, an int or a pair, at most half of the window.

    Returns
    -------
    y
        ``(N, P, Q, C)``
    indices
        ``(N, P, Q, C)``: ``r * S + s`` of the maximum in its window, uint8 where
        the window has at most 254 pixels, else int32.

    Raises
    ------
    ValueError
        If the window does not fit.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    >>> y, indices = max_pool2d(x, 2)
    >>> y[0, :, :, 0], indices[0, :, :, 0]
    (array([[ 5.,  7.],
           [13., 15.]], dtype=float32), array([[3, 3],
           [3, 3]], dtype=uint8))
    """
    x = checks.floating("max_pool2d", "x", x, 4)
    geometry = shapes.pool("max_pool2d", x.shape, window, stride, padding)
    return dispatch.for_array("max_pool2d", x).max_pool2d(
        x, geometry.window, geometry.stride, geometry.padding
    )


def max_pool2d_backward(
    dy: FloatArray,
    indices: Array,
    input_shape: Shape,
    window: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PairLike = 0,
) -> FloatArray:
    """Return the gradient of :func:`max_pool2d` with respect to x.

    Parameters
    ----------
    dy
        ``(N, P, Q, C)``: the gradient of the maxima.
    indices
        ``(N, P, Q, C)``: as the forward call returned them. The code
        ``NO_GRADIENT`` (255 of uint8, -1 of int32) lets no gradient through.
    input_shape
        ``(N, H, W, C)``.
    window, stride, padding
        As in the forward call.

    Returns
    -------
    ``(N, H, W, C)``

    Raises
    ------
    ValueError
        If shapes do not agree, or a code lies outside of the window.
    TypeError
        If dy is not float32 (float64 on the numpy backend), or indices not of the
        dtype that the window calls for.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    >>> y, indices = max_pool2d(x, 2)
    >>> max_pool2d_backward(y, indices, x.shape, 2)[0, :, :, 0]
    array([[0., 0.],
           [0., 3.]], dtype=float32)
    """
    op = "max_pool2d_backward"
    dy = checks.floating(op, "dy", dy, 4)
    sizes = checks.shape(op, "input_shape", input_shape, 4)
    geometry = shapes.pool(op, sizes, window, stride, padding, "input_shape")
    shapes.gradient_of(op, dy, geometry.output_shape, "the pooling's output")
    codes = shapes.codes(op, indices, dy.shape, geometry.window)
    return _scatter(op, dy, codes, sizes, geometry)


def avg_pool2d(
    x: FloatArray,
    window: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PairLike = 0,
    count_include_pad: bool = True,
) -> FloatArray:
    """Return the mean of each window.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.
    window
        ``(R, S)``, or an int for both.
    stride
        An int or a pair; None: the window.
    padding
        On each side, an int or a pair, at most half of the window.
    count_include_pad
        Divide by R S; if False, by the number of pixels that are not padding.

    Returns
    -------
    ``(N, P, Q, C)``

    Raises
    ------
    ValueError
        If the window does not fit.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool2d(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1), 2)
    array([[[[1.5]]]], dtype=float32)
    """
    x = checks.floating("avg_pool2d", "x", x, 4)
    geometry = shapes.pool("avg_pool2d", x.shape, window, stride, padding)
    return dispatch.for_array("avg_pool2d", x).avg_pool2d(
        x,
        geometry.window,
        geometry.stride,
        geometry.padding,
        bool(count_include_pad),
    )


def avg_pool2d_backward(
    dy: FloatArray,
    input_shape: Shape,
    window: PairLike,
    *,
    stride: PairLike | None = None,
    padding: PairLike = 0,
    count_include_pad: bool = True,
) -> FloatArray:
    """Return the gradient of :func:`avg_pool2d` with respect to x.

    Parameters
    ----------
    dy
        ``(N, P, Q, C)``: the gradient of the means.
    input_shape
        ``(N, H, W, C)``.
    window, stride, padding, count_include_pad
        As in the forward call.

    Returns
    -------
    ``(N, H, W, C)``

    Raises
    ------
    ValueError
        If shapes do not agree.
    TypeError
        If dy is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.ones((1, 1, 1, 1), np.float32)
    >>> avg_pool2d_backward(dy, (1, 2, 2, 1), 2)[0, :, :, 0]
    array([[0.25, 0.25],
           [0.25, 0.25]], dtype=float32)
    """
    op = "avg_pool2d_backward"
    dy = checks.floating(op, "dy", dy, 4)
    sizes = checks.shape(op, "input_shape", input_shape, 4)
    geometry = shapes.pool(op, sizes, window, stride, padding, "input_shape")
    shapes.gradient_of(op, dy, geometry.output_shape, "the pooling's output")
    return dispatch.for_array(op, dy).avg_pool2d_backward(
        dy,
        sizes,
        geometry.window,
        geometry.stride,
        geometry.padding,
        bool(count_include_pad),
    )


def global_avg_pool2d(x: FloatArray) -> FloatArray:
    """Return the mean of each channel over all pixels.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.

    Returns
    -------
    ``(N, C)``

    Raises
    ------
    ValueError
        If x has no pixels or no channels.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> global_avg_pool2d(np.ones((2, 7, 7, 3), np.float32)).shape
    (2, 3)
    """
    x = checks.floating("global_avg_pool2d", "x", x, 4)
    geometry = _whole("global_avg_pool2d", x.shape, "x")
    y = dispatch.for_array("global_avg_pool2d", x).avg_pool2d(
        x, geometry.window, geometry.stride, geometry.padding, True
    )
    return y.reshape(x.shape[0], x.shape[3])


def global_avg_pool2d_backward(dy: FloatArray, input_shape: Shape) -> FloatArray:
    """Return the gradient of :func:`global_avg_pool2d` with respect to x.

    Parameters
    ----------
    dy
        ``(N, C)``.
    input_shape
        ``(N, H, W, C)``.

    Returns
    -------
    ``(N, H, W, C)``

    Raises
    ------
    ValueError
        If shapes do not agree.
    TypeError
        If dy is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> dx = global_avg_pool2d_backward(np.ones((1, 1), np.float32), (1, 2, 2, 1))
    >>> dx[0, :, :, 0]
    array([[0.25, 0.25],
           [0.25, 0.25]], dtype=float32)
    """
    op = "global_avg_pool2d_backward"
    dy, sizes, geometry = _whole_backward(op, dy, input_shape)
    return dispatch.for_array(op, dy).avg_pool2d_backward(
        dy, sizes, geometry.window, geometry.stride, geometry.padding, True
    )


def global_max_pool2d(x: FloatArray) -> tuple[FloatArray, Array]:
    """Return the maximum of each channel over all pixels, and where it stands.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.

    Returns
    -------
    y
        ``(N, C)``
    indices
        ``(N, C)``: ``h * W + w``, uint8 where there are at most 254 pixels, else
        int32.

    Raises
    ------
    ValueError
        If x has no pixels or no channels.
    TypeError
        If x is not float32 (float64 on the numpy backend).

    Examples
    --------
    >>> import numpy as np
    >>> global_max_pool2d(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1))
    (array([[3.]], dtype=float32), array([[3]], dtype=uint8))
    """
    x = checks.floating("global_max_pool2d", "x", x, 4)
    geometry = _whole("global_max_pool2d", x.shape, "x")
    y, indices = dispatch.for_array("global_max_pool2d", x).max_pool2d(
        x, geometry.window, geometry.stride, geometry.padding
    )
    shape = (x.shape[0], x.shape[3])
    return y.reshape(shape), indices.reshape(shape)


def global_max_pool2d_backward(
    dy: FloatArray, indices: Array, input_shape: Shape
) -> FloatArray:
    """Return the gradient of :func:`global_max_pool2d` with respect to x.

    Parameters
    ----------
    dy
        ``(N, C)``.
    indices
        ``(N, C)``: as the forward call returned them.
    input_shape
        ``(N, H, W, C)``.

    Returns
    -------
    ``(N, H, W, C)``

    Raises
    ------
    ValueError
        If shapes do not agree, or an index lies outside of the image.
    TypeError
        If dy is not float32 (float64 on the numpy backend), or indices not of the
        dtype that the image's size calls for.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.ones((1, 1), np.float32)
    >>> indices = np.array([[2]], np.uint8)
    >>> global_max_pool2d_backward(y, indices, (1, 2, 2, 1))[0, :, :, 0]
    array([[0., 0.],
           [1., 0.]], dtype=float32)
    """
    op = "global_max_pool2d_backward"
    dy, sizes, geometry = _whole_backward(op, dy, input_shape)
    shape = (sizes[0], sizes[3])
    codes = shapes.codes(op, indices, shape, geometry.window, "an image of")
    return _scatter(op, dy, codes.reshape(dy.shape), sizes, geometry)


def _scatter(
    op: str, dy: Array, codes: Array, sizes: Shape, geometry: shapes.PoolGeometry
) -> Array:
    with shapes.naming_wrong_codes(op, codes, geometry.window):
        return dispatch.for_array(op, dy).max_pool2d_backward(
            dy, codes, sizes, geometry.window, geometry.stride, geometry.padding
        )


def _whole(op: str, sizes: Shape, name: str) -> shapes.PoolGeometry:
    if sizes[1] < 1 or sizes[2] < 1:
        raise ValueError(f"{op}: {name} has no pixels ({name}: {sizes})")
    return shapes.pool(op, sizes, (sizes[1], sizes[2]), None, 0, name)


def _whole_backward(
    op: str, dy: Any, input_shape: Any
) -> tuple[FloatArray, Shape, shapes.PoolGeometry]:
    dy = checks.floating(op, "dy", dy, 2)
    sizes = checks.shape(op, "input_shape", input_shape, 4)
    geometry = _whole(op, sizes, "input_shape")
    shapes.gradient_of(op, dy, (sizes[0], sizes[3]), "the pooling's output")
    return np.reshape(dy, geometry.output_shape), sizes, geometry
