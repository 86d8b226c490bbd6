"""Activations, dropout and the gradient of a bias: one pass over memory each.

References: D. Hendrycks and K. Gimpel, "Gaussian Error Linear Units", 2016,
https://arxiv.org/abs/1606.08415; N. Srivastava et al., "Dropout", JMLR 15, 2014;
J. K. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011
(Philox4x32-10, whose words decide what dropout keeps).
"""

from __future__ import annotations

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import FloatArray

KINDS = ("relu", "leaky_relu", "gelu", "sigmoid", "tanh")


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
    return dispatch.for_dtype("activation", x.dtype).activation(
        x, kind, negative_slope, out
    )


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
    return dispatch.for_dtype(op, dy.dtype).activation_backward(
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
    return dispatch.for_dtype("dropout", x.dtype).dropout(x, p, seed, offset)


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
    return dispatch.for_dtype("bias_gradient", dy.dtype).bias_gradient(dy)
