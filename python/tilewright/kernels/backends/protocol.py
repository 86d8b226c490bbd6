"""What a backend is: the functions below, positional, with normal arguments.

The interface has already checked everything a caller can get wrong, and made it
uniform, so that a backend only computes:

- arrays are C-contiguous, aligned, native and all of one float dtype that the
  backend lists; shapes agree with one another;
- ``stride``, ``dilation``, ``window`` and ``kernel_size`` are pairs (rows,
  columns); ``padding`` is ``((top, bottom), (left, right))``;
- optional arrays are arrays or None; ``out`` has the result's shape;
- ``axis_sum`` sees three axes and sums over the middle one; ``arithmetic`` sees
  shapes that broadcast; only of ``copy`` and ``concatenate`` inputs may be strided;
- batch_norm functions see matrices, the channels last; running arrays are writeable
  in training;
- softmax functions see matrices, the softmax axis last; labels are int64.
"""

# ruff: noqa: D102
# (The interface documents the methods.)

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = tuple[Pair, Pair]
Shape: TypeAlias = tuple[int, ...]
# What a caller may write for a stride, a dilation or a window, and for a padding.
PairLike: TypeAlias = int | tuple[int, int]
PaddingLike: TypeAlias = int | tuple[int, int] | str


class Backend(Protocol):
    """The functions of a backend; the interface documents what each computes."""

    name: str
    dtypes: tuple[str, ...]  # the dtypes it computes in, preferred first

    def gemm(
        self,
        a: Array,
        b: Array,
        transpose_a: bool,
        transpose_b: bool,
        bias: Array | None,
        activation: str,
        out: Array | None,
        accumulate: bool,
        /,
    ) -> Array: ...

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        activation: str,
        out: Array | None,
        /,
    ) -> Array: ...

    def conv2d_backward_input(
        self,
        dy: Array,
        weight: Array,
        input_shape: Shape,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        out: Array | None,
        /,
    ) -> Array: ...

    def conv2d_backward_weight(
        self,
        x: Array,
        dy: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        /,
    ) -> tuple[Array, Array]: ...

    def conv2d_max_pool2d(
        self,
        x: Array,
        weight: Array,
        window: Pair,
        bias: Array | None,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        activation: str,
        pool_stride: Pair,
        /,
    ) -> tuple[Array, Array]: ...

    def conv2d_max_pool2d_backward_input(
        self,
        dy: Array,
        indices: Array,
        weight: Array,
        input_shape: Shape,
        window: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        pool_stride: Pair,
        out: Array | None,
        /,
    ) -> Array: ...

    def conv2d_max_pool2d_backward_weight(
        self,
        x: Array,
        dy: Array,
        indices: Array,
        kernel_size: Pair,
        window: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
        groups: int,
        pool_stride: Pair,
        /,
    ) -> tuple[Array, Array]: ...

    def max_pool2d(
        self, x: Array, window: Pair, stride: Pair, padding: Padding, /
    ) -> tuple[Array, Array]: ...

    def max_pool2d_backward(
        self,
        dy: Array,
        indices: Array,
        input_shape: Shape,
        window: Pair,
        stride: Pair,
        padding: Padding,
        /,
    ) -> Array: ...

    def avg_pool2d(
        self,
        x: Array,
        window: Pair,
        stride: Pair,
        padding: Padding,
        count_include_pad: bool,
        /,
    ) -> Array: ...

    def avg_pool2d_backward(
        self,
        dy: Array,
        input_shape: Shape,
        window: Pair,
        stride: Pair,
        padding: Padding,
        count_include_pad: bool,
        /,
    ) -> Array: ...

    def batch_norm(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        running_mean: Array | None,
        running_var: Array | None,
        training: bool,
        momentum: float,
        eps: float,
        unbiased: bool,
        activation: str,
        /,
    ) -> tuple[Array, Array]: ...

    def batch_norm_backward(
        self,
        dy: Array,
        x: Array,
        saved: Array,
        weight: Array | None,
        bias: Array | None,
        training: bool,
        activation: str,
        out: Array | None,
        /,
    ) -> tuple[Array, Array, Array]: ...

    def softmax(self, x: Array, /) -> Array: ...

    def log_softmax(self, x: Array, /) -> Array: ...

    def softmax_backward(self, dy: Array, y: Array, /) -> Array: ...

    def log_softmax_backward(self, dy: Array, y: Array, /) -> Array: ...

    def softmax_cross_entropy(
        self,
        logits: Array,
        labels: Array,
        label_smoothing: float,
        ignore_index: int | None,
        class_weight: Array | None,
        reduction: str,
        /,
    ) -> tuple[Array, Array]: ...

    def linear_softmax_cross_entropy(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        labels: Array,
        label_smoothing: float,
        ignore_index: int | None,
        class_weight: Array | None,
        reduction: str,
        chunk_rows: int,
        /,
    ) -> tuple[Array, Array, Array, Array | None]: ...

    def adam_step(
        self,
        params: list[Array],
        grads: list[Array],
        exp_avg: list[Array],
        exp_avg_sq: list[Array],
        step: int,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        bias_correction: bool,
        /,
    ) -> None: ...

    def sgd_step(
        self,
        params: list[Array],
        grads: list[Array],
        momentum_buffers: list[Array] | None,
        lr: float,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
        /,
    ) -> None: ...

    def rmsprop_step(
        self,
        params: list[Array],
        grads: list[Array],
        square_avg: list[Array],
        grad_avg: list[Array] | None,
        momentum_buffers: list[Array] | None,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        eps_in_root: bool,
        /,
    ) -> None: ...

    def adagrad_step(
        self,
        params: list[Array],
        grads: list[Array],
        sums: list[Array],
        lr: float,
        eps: float,
        weight_decay: float,
        eps_in_root: bool,
        /,
    ) -> None: ...

    def activation(
        self, x: Array, kind: str, negative_slope: float, out: Array | None, /
    ) -> Array: ...

    def activation_backward(
        self,
        dy: Array,
        saved: Array,
        kind: str,
        negative_slope: float,
        out: Array | None,
        /,
    ) -> Array: ...

    def dropout(self, x: Array, p: float, seed: int, offset: int, /) -> Array: ...

    def bias_gradient(self, dy: Array, /) -> Array: ...

    def axis_sum(self, x: Array, /) -> Array: ...

    def arithmetic(
        self, a: Array | float, b: Array | float, kind: str, out: Array | None, /
    ) -> Array: ...

    def copy(self, x: Array, out: Array | None, /) -> Array: ...

    def concatenate(self, arrays: list[Array], axis: int, /) -> Array: ...

    def elementwise_loss(
        self, x: Array, target: Array, kind: str, reduction: str, delta: float, /
    ) -> tuple[Array, Array]: ...

    def clip_by_norm(self, grads: list[Array], max_norm: float, /) -> float | Array: ...

    def clip_by_value(self, grads: list[Array], limit: float, /) -> None: ...
