"""Matrix multiplication with bias and activation in its epilogue.

Reference: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix
Multiplication", ACM TOMS 34(3), 2008 (the blocking of the cpu backend).
"""

from __future__ import annotations

from tilewright.kernels import checks, dispatch
from tilewright.kernels.backends.protocol import FloatArray

# What gemm and conv2d can apply to a result before it leaves the registers.
ACTIVATIONS = ("none", "relu", "sigmoid", "tanh", "gelu")


# Elements that need no check whether their bytes can be counted.
SMALL = 2**40


def gemm(
    a: FloatArray,
    b: FloatArray,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    bias: FloatArray | None = None,
    activation: str = "none",
    out: FloatArray | None = None,
    accumulate: bool = False,
) -> FloatArray:
    """Return ``activation(op(a) @ op(b) + bias)``, op being a transposition or not.

    Parameters
    ----------
    a
        ``(M, K)``, or ``(K, M)`` with ``transpose_a``.
    b
        ``(K, N)``, or ``(N, K)`` with ``transpose_b``. K may be 0.
    transpose_a, transpose_b
        Read that matrix transposed; nothing is copied.
    bias
        ``(N,)``, added to each row.
    activation
        ``"none"``, ``"relu"``, ``"sigmoid"``, ``"tanh"`` or ``"gelu"``.
    out
        ``(M, N)``: receives the result and is returned. C-contiguous, and sharing
        no memory with the other arrays.
    accumulate
        Add to what ``out`` holds: ``activation(a @ b + bias + out)``.

    Returns
    -------
    ``(M, N)``

    Raises
    ------
    ValueError
        If shapes do not agree, ``accumulate`` has no ``out``, or ``out`` cannot be
        written.
    TypeError
        If an array is not float32 (float64 on the numpy backend), or not like a.

    Examples
    --------
    >>> import numpy as np
    >>> a = np.ones((2, 3), np.float32)
    >>> gemm(a, a, transpose_b=True, bias=np.array([0, -9], np.float32),
    ...      activation="relu")
    array([[3., 0.],
           [3., 0.]], dtype=float32)
    """
    if out is None and not accumulate and activation in ACTIVATIONS:
        quick = dispatch.quick("gemm")
        if quick is not None:
            result: FloatArray | None
            result = quick(a, b, transpose_a, transpose_b, bias, activation)
            if result is not None:
                return result
    given_a, given_b, given_bias = a, b, bias
    a = checks.floating("gemm", "a", a, 2)
    b = checks.floating("gemm", "b", b, 2)
    checks.same_dtype("gemm", "b", b, "a", a)
    M, K = a.shape[::-1] if transpose_a else a.shape
    depth, N = b.shape[::-1] if transpose_b else b.shape
    if depth != K:
        raise ValueError(
            f"gemm: a has {K} columns but b has {depth} rows (a: {a.shape}"
            f"{' transposed' if transpose_a else ''}, b: {b.shape}"
            f"{' transposed' if transpose_b else ''})"
        )
    if bias is not None:
        bias = checks.like("gemm", "bias", bias, (N,), "b", b)
    if activation not in ACTIVATIONS:
        checks.choice("gemm", "activation", activation, ACTIVATIONS)
    if out is not None:
        given = (("a", given_a), ("b", given_b), ("bias", given_bias))
        out = checks.output("gemm", out, (M, N), a.dtype, given)
    elif accumulate:
        raise ValueError("gemm: accumulate=True needs out, the array to add to")
    elif M * N > SMALL:
        checks.bytes_fit("gemm", "output", (M, N), a.itemsize)
    return dispatch.for_array("gemm", a).gemm(
        a,
        b,
        bool(transpose_a),
        bool(transpose_b),
        bias,
        activation,
        out,
        bool(accumulate),
    )
