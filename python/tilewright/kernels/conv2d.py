"""Two-dimensional convolution (cross-correlation), forward and both backward.

Layouts: images ``(N, H, W, C)``, weights ``(R, S, C / groups, K)``. Output channel
k of group g reads the input channels of group g alone; ``groups == C`` is the
depthwise convolution. Reference: V. Dumoulin and F. Visin, "A guide to convolution
arithmetic for deep learning", 2016, https://arxiv.org/abs/1603.07285.
"""

from __future__ import annotations

from tilewright.kernels import checks, dispatch, shapes
from tilewright.kernels.backends.protocol import (
    FloatArray,
    PaddingLike,
    PairLike,
    Shape,
)
from tilewright.kernels.gemm import ACTIVATIONS


def conv_output_shape(
    input_shape: Shape,
    weight_shape: Shape,
    *,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int | None = None,
) -> Shape:
    """Return the shape ``(N, P, Q, K)`` of a convolution's output.

    Parameters
    ----------
    input_shape
        ``(N, H, W, C)``.
    weight_shape
        ``(R, S, C / groups, K)``.
    stride, padding, dilation
        As :func:`conv2d` takes them.
    groups
        None: what the two channel counts say.

    Raises
    ------
    ValueError
        If the sizes do not agree, or the output would be empty.
    TypeError
        If a size is no int.

    Examples
    --------
    >>> conv_output_shape((8, 28, 28, 1), (3, 3, 1, 32), padding="same", stride=2)
    (8, 14, 14, 32)
    """
    op = "conv_output_shape"
    sizes = checks.shape(op, "input_shape", input_shape, 4)
    kernel = checks.shape(op, "weight_shape", weight_shape, 4)
    if groups is None:
        groups = sizes[3] // kernel[2] if kernel[2] and sizes[3] else 1
        groups = max(groups, 1)
    names = ("input_shape", "weight_shape")
    return shapes.conv(
        op, sizes, kernel, stride, padding, dilation, groups, names
    ).output_shape


def conv2d(
    x: FloatArray,
    weight: FloatArray,
    *,
    bias: FloatArray | None = None,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    activation: str = "none",
    out: FloatArray | None = None,
) -> FloatArray:
    """Return ``activation(x * weight + bias)``, * being the convolution.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.
    weight
        ``(R, S, C / groups, K)``.
    bias
        ``(K,)``.
    stride, dilation
        An int, or a pair (rows, columns).
    padding
        Rows and columns of zeros on each side: an int, a pair, ``"valid"`` (none)
        or ``"same"`` (``P = ceil(H / stride)``; an odd row or column goes to the
        bottom or right, as in TensorFlow).
    groups
        Divides C and K.
    activation
        ``"none"``, ``"relu"``, ``"sigmoid"``, ``"tanh"`` or ``"gelu"``.
    out
        ``(N, P, Q, K)``: receives the result and is returned.

    Returns
    -------
    ``(N, P, Q, K)``

    Raises
    ------
    ValueError
        If shapes do not agree or the output would be empty.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like x.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((1, 4, 4, 2), np.float32)
    >>> weight = np.ones((3, 3, 2, 1), np.float32)
    >>> conv2d(x, weight)[0, :, :, 0]
    array([[18., 18.],
           [18., 18.]], dtype=float32)
    """
    given = (("x", x), ("weight", weight), ("bias", bias))
    x = checks.floating("conv2d", "x", x, 4)
    weight = checks.floating("conv2d", "weight", weight, 4)
    checks.same_dtype("conv2d", "weight", weight, "x", x)
    geometry = shapes.conv(
        "conv2d", x.shape, weight.shape, stride, padding, dilation, groups
    )
    if bias is not None:
        shape = weight.shape[3:]
        bias = checks.like("conv2d", "bias", bias, shape, "weight", weight)
    if activation not in ACTIVATIONS:
        checks.choice("conv2d", "activation", activation, ACTIVATIONS)
    if out is not None:
        out = checks.output("conv2d", out, geometry.output_shape, x.dtype, given)
    return dispatch.for_array("conv2d", x).conv2d(
        x,
        weight,
        bias,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        geometry.groups,
        activation,
        out,
    )


def conv2d_backward_input(
    dy: FloatArray,
    weight: FloatArray,
    input_shape: Shape,
    *,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
    out: FloatArray | None = None,
) -> FloatArray:
    """Return the gradient of :func:`conv2d` with respect to x.

    Parameters
    ----------
    dy
        ``(N, P, Q, K)``: the gradient of the output, before any activation.
    weight
        ``(R, S, C / groups, K)``.
    input_shape
        ``(N, H, W, C)``, which dy alone does not tell where the stride is not 1.
    stride, padding, dilation, groups
        As in the forward call.
    out
        ``(N, H, W, C)``: receives the result and is returned.

    Returns
    -------
    ``(N, H, W, C)``

    Raises
    ------
    ValueError
        If shapes do not agree.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like dy.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.ones((1, 2, 2, 1), np.float32)
    >>> weight = np.ones((2, 2, 1, 1), np.float32)
    >>> conv2d_backward_input(dy, weight, (1, 3, 3, 1))[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]], dtype=float32)
    """
    op = "conv2d_backward_input"
    given = (("dy", dy), ("weight", weight))
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
    shapes.gradient_of(op, dy, geometry.output_shape, "the convolution's output")
    if out is not None:
        out = checks.output(op, out, sizes, dy.dtype, given)
    return dispatch.for_array(op, dy).conv2d_backward_input(
        dy,
        weight,
        sizes,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        geometry.groups,
        out,
    )


def conv2d_backward_weight(
    x: FloatArray,
    dy: FloatArray,
    kernel_size: PairLike,
    *,
    stride: PairLike = 1,
    padding: PaddingLike = 0,
    dilation: PairLike = 1,
    groups: int = 1,
) -> tuple[FloatArray, FloatArray]:
    """Return the gradients of :func:`conv2d` with respect to weight and bias.

    Parameters
    ----------
    x
        ``(N, H, W, C)``.
    dy
        ``(N, P, Q, K)``: the gradient of the output, before any activation.
    kernel_size
        ``(R, S)``.
    stride, padding, dilation, groups
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
        If shapes do not agree.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like x.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.ones((1, 3, 3, 1), np.float32)
    >>> dweight, dbias = conv2d_backward_weight(x, x[:, :2, :2], (2, 2))
    >>> dweight[:, :, 0, 0], dbias
    (array([[4., 4.],
           [4., 4.]], dtype=float32), array([4.], dtype=float32))
    """
    op = "conv2d_backward_weight"
    x = checks.floating(op, "x", x, 4)
    dy = checks.floating(op, "dy", dy, 4)
    checks.same_dtype(op, "dy", dy, "x", x)
    R, S = shapes.pair(op, "kernel_size", kernel_size, 1)
    geometry = shapes.conv_of_weight_gradient(
        op, x.shape, (R, S), dy.shape[3], stride, padding, dilation, groups
    )
    shapes.gradient_of(op, dy, geometry.output_shape, "the convolution's output")
    return dispatch.for_array(op, x).conv2d_backward_weight(
        x,
        dy,
        (R, S),
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        geometry.groups,
    )
