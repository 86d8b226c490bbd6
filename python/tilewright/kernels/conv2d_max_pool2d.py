"""Convolution, activation and max pooling as one kernel, forward and both backward.

The convolution's output, which is the largest array of most networks, never goes
through memory; and at the most one pixel of each window has a gradient, so that the
backward passes do a fraction of the dense work.
"""

from __future__ import annotations

from tilewright.kernels import checks, dispatch, shapes
from tilewright.kernels.backends.protocol import (
    Array,
    FloatArray,
    PaddingLike,
    PairLike,
    Shape,
)


def conv2d_max_pool2d(
    x: FloatArray,
    weight: FloatArray,
    window: PairLike,
    *,
    bias: FloatArray | None = None,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    activation: str = "none",
    pool_stride: PairLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return ``max_pool2d(conv2d(x, ...), window)`` in one pass over memory.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.
    weight
        ``(R, S, C / groups, K)``.
    window
        Of the pooling, which has no padding.
    bias, stride, padding, dilation, groups
        As in :func:`conv2d`.
    activation
        ``"none"`` or ``"relu"``.
    pool_stride
        None: the window.

    Returns
    -------
    y
        ``(N, P', Q', K)``
    indices
        ``(N, P', Q', K)``: as :func:`max_pool2d` returns them, and with relu the
        code ``NO_GRADIENT`` (255 of uint8, -1 of int32) where the maximum is not
        positive; :func:`max_pool2d_backward` thereby undoes the activation too.

    Raises
    ------
    ValueError
        If shapes do not agree or the output would be empty.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like x.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1) - 6
    >>> y, indices = conv2d_max_pool2d(
    ...     x, np.ones((1, 1, 1, 1), np.float32), 2, activation="relu")
    >>> y[0, :, :, 0], indices[0, :, :, 0]
    (array([[0., 1.],
           [7., 9.]], dtype=float32), array([[255,   3],
           [  3,   3]], dtype=uint8))
    """
    op = "conv2d_max_pool2d"
    x = checks.floating(op, "x", x, 4)
    weight = checks.floating(op, "weight", weight, 4)
    checks.same_dtype(op, "weight", weight, "x", x)
    geometry = shapes.conv(op, x.shape, weight.shape, stride, padding, dilation, groups)
    pooling = shapes.pool(
        op, geometry.output_shape, window, pool_stride, 0, "the convolution's output"
    )
    if bias is not None:
        bias = checks.like(op, "bias", bias, weight.shape[3:], "weight", weight)
    checks.choice(op, "activation", activation, ("none", "relu"))
    return dispatch.for_array(op, x).conv2d_max_pool2d(
        x,
        weight,
        pooling.window,
        bias,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        geometry.groups,
        activation,
        pooling.stride,
    )


def conv2d_max_pool2d_backward_input(
    dy: FloatArray,
    indices: Array,
    weight: FloatArray,
    input_shape: Shape,
    window: PairLike,
    *,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    pool_stride: PairLike | None = None,
    out: FloatArray | None = None,
) -> FloatArray:
    """Return the gradient of :func:`conv2d_max_pool2d` with respect to x.

    Parameters
    ----------
    dy
        ``(N, P', Q', K)``: the gradient of the maxima.
    indices
        ``(N, P', Q', K)``: as the forward call returned them.
    weight
        ``(R, S, C / groups, K)``.
    input_shape
        ``(N, H, W, C)``.
    window, stride, padding, dilation, groups, pool_stride
        As in the forward call.
    out
        ``(N, H, W, C)``: receives the result and is returned.

    Returns
    -------
    ``(N, H, W, C)``

    Raises
    ------
    ValueError
        If shapes do not agree, or an index lies outside of the window.
    TypeError
        If an array is not float32 (float64 on the numpy backend) or not like dy, or
        indices not of the dtype that the window calls for.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1) - 6
    >>> weight = np.ones((1, 1, 1, 1), np.float32)
    >>> y, indices = conv2d_max_pool2d(x, weight, 2, activation="relu")
    >>> conv2d_max_pool2d_backward_input(y, indices, weight, x.shape, 2)[0, :, :, 0]
    array([[0., 0., 0., 0.],
           [0., 0., 0., 1.],
           [0., 0., 0., 0.],
           [0., 7., 0., 9.]], dtype=float32)
    """
    op = "conv2d_max_pool2d_backward_input"
    given = (("dy", dy), ("indices", indices), ("weight", weight))
    dy = checks.floating(op, "dy", dy, 4)
    weight = checks.floating(op, "weight", weight, 4)
    checks.same_dtype(op, "weight", weight, "dy", dy)
    sizes = checks.shape(op, "input_shape", input_shape, 4)
    geometry = shapes.conv(
        op,
        sizes,
        weight.shape,
        stride,
        padding,
        dilation,
        groups,
        ("input_shape", "weight"),
    )
    pooling = _pooling(op, dy, geometry, window, pool_stride)
    codes = shapes.codes(op, indices, dy.shape, pooling.window)
    if out is not None:
        out = checks.output(op, out, sizes, dy.dtype, given)
    with shapes.naming_wrong_codes(op, codes, pooling.window):
        return dispatch.for_array(op, dy).conv2d_max_pool2d_backward_input(
            dy,
            codes,
            weight,
            sizes,
            pooling.window,
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            geometry.groups,
            pooling.stride,
            out,
        )


def conv2d_max_pool2d_backward_weight(
    x: FloatArray,
    dy: FloatArray,
    indices: Array,
    kernel_size: PairLike,
    window: PairLike,
    *,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    pool_stride: PairLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return the gradients of :func:`conv2d_max_pool2d` by weight and bias.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.
    dy
        ``(N, P', Q', K)``: the gradient of the maxima.
    indices
        ``(N, P', Q', K)``: as the forward call returned them.
    kernel_size
        ``(R, S)``.
    window, stride, padding, dilation, groups, pool_stride
        As in the forward call.

    Returns
    -------
    dweight
        ``(R, S, C / groups, K)``
    dbias
        ``(K,)``

    Raises
    ------
    ValueError
        If shapes do not agree, or an index lies outside of the window.
    TypeError
        If an array is not float32 (float64 on the numpy backend) or not like x, or
        indices not of the dtype that the window calls for.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    >>> y, indices = conv2d_max_pool2d(x, np.ones((1, 1, 1, 1), np.float32), 2)
    >>> dweight, dbias = conv2d_max_pool2d_backward_weight(x, y, indices, 1, 2)
    >>> dweight.item(), dbias.item()
    (9.0, 3.0)
    """
    op = "conv2d_max_pool2d_backward_weight"
    x = checks.floating(op, "x", x, 4)
    dy = checks.floating(op, "dy", dy, 4)
    checks.same_dtype(op, "dy", dy, "x", x)
    R, S = shapes.pair(op, "kernel_size", kernel_size, 1)
    geometry = shapes.conv_of_weight_gradient(
        op, x.shape, (R, S), dy.shape[3], stride, padding, dilation, groups
    )
    pooling = _pooling(op, dy, geometry, window, pool_stride)
    codes = shapes.codes(op, indices, dy.shape, pooling.window)
    with shapes.naming_wrong_codes(op, codes, pooling.window):
        return dispatch.for_array(op, x).conv2d_max_pool2d_backward_weight(
            x,
            dy,
            codes,
            (R, S),
            pooling.window,
            geometry.stride,
            geometry.padding,
            geometry.dilation,
            geometry.groups,
            pooling.stride,
        )


def _pooling(
    op: str,
    dy: FloatArray,
    geometry: shapes.ConvGeometry,
    window: PairLike,
    stride: PairLike | None,
) -> shapes.PoolGeometry:
    pooling = shapes.pool(
        op, geometry.output_shape, window, stride, 0, "the convolution's output"
    )
    shapes.gradient_of(op, dy, pooling.output_shape, "the pooling's output")
    return pooling
