"""The differentiable linear map, with an activation in the same pass."""

from __future__ import annotations

from tilewright import kernels
from tilewright.autograd import Tensor
from tilewright.autograd.broadcasting import reshaped
from tilewright.autograd.function import Context, Function, Gradients
from tilewright.nn.types import Array, TensorLike


class _Linear(Function):
    gradient_memory = "new"
    kernels_only = True

    @staticmethod
    def forward(
        ctx: Context, x: Array, weight: Array, bias: Array | None, *, activation: str
    ) -> Array:
        _check(x, weight)
        rows = x if x.ndim == 2 else _rows(x)
        saved = None
        if activation == "gelu" and True in ctx.needs_input_grad:
            # Its gradient is a function of what goes in, not of what comes out.
            saved = kernels.gemm(rows, weight, bias=bias)
            y = kernels.activation(saved, "gelu")
        else:
            y = kernels.gemm(rows, weight, bias=bias, activation=activation)
            if activation != "none":
                saved = y
        needs_x, needs_weight, _ = ctx.needs_input_grad
        ctx.activation = activation
        ctx.input_shape = x.shape
        result = y if x.ndim == 2 else y.reshape(*x.shape[:-1], y.shape[1])
        if saved is y:
            saved = result
        ctx.save_for_backward(
            x if needs_weight else None, weight if needs_x else None, saved
        )
        return result

    @staticmethod
    def backward(ctx: Context, dy: Array) -> Gradients:
        x, weight, saved = ctx.saved
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        if dy.ndim != 2:
            dy = _rows(dy)
        if saved is not None:
            if saved.ndim != 2:
                saved = _rows(saved)
            dy = kernels.activation_backward(
                dy, saved, ctx.activation, out=ctx.scratch(dy)
            )
        dx = dweight = dbias = None
        if needs_weight:
            if x.ndim != 2:
                x = _rows(x)
            dweight = kernels.gemm(x, dy, transpose_a=True)
        if needs_bias:
            dbias = kernels.bias_gradient(dy)
        if needs_x:
            dx = kernels.gemm(dy, weight, transpose_b=True)
            if len(ctx.input_shape) != 2:
                dx = dx.reshape(ctx.input_shape)
        return dx, dweight, dbias


def _rows(x: Array) -> Array:
    """All leading axes as one; their product is spelt out for empty arrays."""
    count = 1
    for extent in x.shape[:-1]:
        count *= extent
    return reshaped(x, (count, x.shape[-1]))


def _check(x: Array, weight: Array) -> None:
    """Say in the layer's words what gemm would say in those of matrices."""
    x_shape = getattr(x, "shape", None)
    weight_shape = getattr(weight, "shape", None)
    if x_shape is None or weight_shape is None:
        name, value = ("x", x) if x_shape is None else ("weight", weight)
        raise TypeError(
            f"linear: {name} must be a Tensor or a NumPy array, "
            f"got {type(value).__name__}"
        )
    if len(weight_shape) != 2:
        raise ValueError(
            f"linear: weight must have 2 dimensions, (in, out), got {len(weight_shape)}"
            f" (shape {weight_shape})"
        )
    if not x_shape or x_shape[-1] != weight_shape[0]:
        got = f"{x_shape[-1]} features" if x_shape else "no axis of features"
        hint = "; flatten the images first" if len(x_shape) == 4 else ""
        raise ValueError(
            f"linear: x has {got} but weight expects {weight_shape[0]} "
            f"(x: {x_shape}, weight: {weight_shape}){hint}"
        )


def linear(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    activation: str = "none",
) -> Tensor:
    """``activation(x @ weight + bias)`` over the last axis of x.

    Parameters
    ----------
    x : Tensor or ndarray, shape (..., in)
    weight : Tensor or ndarray, shape (in, out)
    bias : Tensor or ndarray, shape (out,), optional
    activation : str, default "none"
        Or ``"relu"``, ``"sigmoid"``, ``"tanh"``, ``"gelu"``: applied to the result
        before it goes to memory.

    Returns
    -------
    Tensor, shape (..., out)

    Raises
    ------
    ValueError
        If shapes do not agree or there is no such activation.
    TypeError
        If an array is of another dtype than float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.nn import functional
    >>> weight = np.array([[1, -1], [1, -1]], np.float32)
    >>> functional.linear(np.ones((1, 2), np.float32), weight, activation="relu")
    tensor([[2., 0.]])
    """
    return _Linear.apply(x, weight, bias, activation=activation)
