# Written by tools/make_stubs.py (pybind11 3.1, pybind11-stubgen 3.0).
"""
CPU kernels of tilewright; use them through tilewright.kernels.
"""

from __future__ import annotations
import collections.abc
import numpy
import typing

__all__: list[str] = [
    "Replay",
    "activation",
    "activation_backward",
    "adam_step",
    "algorithms",
    "allocator_stats",
    "available_isas",
    "avg_pool2d",
    "avg_pool2d_backward",
    "bias_gradient",
    "build_info",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv2d_max_pool2d",
    "conv2d_max_pool2d_backward_input",
    "conv2d_max_pool2d_backward_weight",
    "conv_algorithm",
    "copy_bandwidth",
    "default_num_threads",
    "dropout",
    "empty",
    "force_algorithm",
    "gemm",
    "get_num_threads",
    "isa",
    "last_algorithm",
    "log_softmax",
    "log_softmax_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "peak_flops",
    "program_finish",
    "program_start",
    "program_stop",
    "release_cached_memory",
    "set_conv_algorithm",
    "set_isa",
    "set_num_threads",
    "sgd_step",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
]

class Replay:
    def run(self) -> None: ...
    def set_adam(
        self,
        index: typing.SupportsInt | typing.SupportsIndex,
        step: typing.SupportsInt | typing.SupportsIndex,
        lr: typing.SupportsFloat | typing.SupportsIndex,
        beta1: typing.SupportsFloat | typing.SupportsIndex,
        beta2: typing.SupportsFloat | typing.SupportsIndex,
        eps: typing.SupportsFloat | typing.SupportsIndex,
        weight_decay: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...
    def set_dropout(
        self,
        index: typing.SupportsInt | typing.SupportsIndex,
        seed: typing.SupportsInt | typing.SupportsIndex,
        offset: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...
    def set_inputs(self, inputs: collections.abc.Sequence[numpy.ndarray]) -> bool: ...
    def set_sgd(
        self,
        index: typing.SupportsInt | typing.SupportsIndex,
        lr: typing.SupportsFloat | typing.SupportsIndex,
        momentum: typing.SupportsFloat | typing.SupportsIndex,
        weight_decay: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def calls(self) -> int: ...
    @property
    def dropouts(self) -> list: ...
    @property
    def kept(self) -> list[numpy.ndarray]: ...
    @property
    def unshared_bytes(self) -> int: ...

def activation(
    x: numpy.ndarray,
    kind: str,
    negative_slope: typing.SupportsFloat | typing.SupportsIndex,
    out: typing.Any,
) -> numpy.ndarray: ...
def activation_backward(
    dy: numpy.ndarray,
    saved: numpy.ndarray,
    kind: str,
    negative_slope: typing.SupportsFloat | typing.SupportsIndex,
    out: typing.Any,
) -> numpy.ndarray: ...
def adam_step(
    params: list,
    grads: list,
    exp_avg: list,
    exp_avg_sq: list,
    step: typing.SupportsInt | typing.SupportsIndex,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    beta1: typing.SupportsFloat | typing.SupportsIndex,
    beta2: typing.SupportsFloat | typing.SupportsIndex,
    eps: typing.SupportsFloat | typing.SupportsIndex,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
    decoupled: bool,
    bias_correction: bool,
) -> None: ...
def algorithms(family: str) -> list[str]: ...
def allocator_stats() -> dict: ...
def available_isas() -> list[str]: ...
def avg_pool2d(
    arg0: numpy.ndarray,
    arg1: typing.SupportsInt | typing.SupportsIndex,
    arg2: typing.SupportsInt | typing.SupportsIndex,
    arg3: typing.SupportsInt | typing.SupportsIndex,
    arg4: typing.SupportsInt | typing.SupportsIndex,
    arg5: typing.SupportsInt | typing.SupportsIndex,
    arg6: typing.SupportsInt | typing.SupportsIndex,
    arg7: typing.SupportsInt | typing.SupportsIndex,
    arg8: typing.SupportsInt | typing.SupportsIndex,
    arg9: bool,
) -> numpy.ndarray: ...
def avg_pool2d_backward(
    arg0: numpy.ndarray,
    arg1: typing.SupportsInt | typing.SupportsIndex,
    arg2: typing.SupportsInt | typing.SupportsIndex,
    arg3: typing.SupportsInt | typing.SupportsIndex,
    arg4: typing.SupportsInt | typing.SupportsIndex,
    arg5: typing.SupportsInt | typing.SupportsIndex,
    arg6: typing.SupportsInt | typing.SupportsIndex,
    arg7: typing.SupportsInt | typing.SupportsIndex,
    arg8: typing.SupportsInt | typing.SupportsIndex,
    arg9: bool,
) -> numpy.ndarray: ...
def bias_gradient(dy: numpy.ndarray) -> numpy.ndarray: ...
def build_info() -> dict: ...
def conv2d(
    x: numpy.ndarray,
    weight: numpy.ndarray,
    bias: typing.Any,
    stride_h: typing.SupportsInt | typing.SupportsIndex,
    stride_w: typing.SupportsInt | typing.SupportsIndex,
    pad_top: typing.SupportsInt | typing.SupportsIndex,
    pad_left: typing.SupportsInt | typing.SupportsIndex,
    dilation_h: typing.SupportsInt | typing.SupportsIndex,
    dilation_w: typing.SupportsInt | typing.SupportsIndex,
    groups: typing.SupportsInt | typing.SupportsIndex,
    p: typing.SupportsInt | typing.SupportsIndex,
    q: typing.SupportsInt | typing.SupportsIndex,
    activation: str,
    out: typing.Any,
) -> numpy.ndarray: ...
def conv2d_backward_input(
    dy: numpy.ndarray,
    weight: numpy.ndarray,
    h: typing.SupportsInt | typing.SupportsIndex,
    w: typing.SupportsInt | typing.SupportsIndex,
    c: typing.SupportsInt | typing.SupportsIndex,
    stride_h: typing.SupportsInt | typing.SupportsIndex,
    stride_w: typing.SupportsInt | typing.SupportsIndex,
    pad_top: typing.SupportsInt | typing.SupportsIndex,
    pad_left: typing.SupportsInt | typing.SupportsIndex,
    dilation_h: typing.SupportsInt | typing.SupportsIndex,
    dilation_w: typing.SupportsInt | typing.SupportsIndex,
    groups: typing.SupportsInt | typing.SupportsIndex,
    out: typing.Any,
) -> numpy.ndarray: ...
def conv2d_backward_weight(
    x: numpy.ndarray,
    dy: numpy.ndarray,
    r: typing.SupportsInt | typing.SupportsIndex,
    s: typing.SupportsInt | typing.SupportsIndex,
    stride_h: typing.SupportsInt | typing.SupportsIndex,
    stride_w: typing.SupportsInt | typing.SupportsIndex,
    pad_top: typing.SupportsInt | typing.SupportsIndex,
    pad_left: typing.SupportsInt | typing.SupportsIndex,
    dilation_h: typing.SupportsInt | typing.SupportsIndex,
    dilation_w: typing.SupportsInt | typing.SupportsIndex,
    groups: typing.SupportsInt | typing.SupportsIndex,
) -> tuple: ...
def conv2d_max_pool2d(
    x: numpy.ndarray,
    weight: numpy.ndarray,
    bias: typing.Any,
    stride_h: typing.SupportsInt | typing.SupportsIndex,
    stride_w: typing.SupportsInt | typing.SupportsIndex,
    pad_top: typing.SupportsInt | typing.SupportsIndex,
    pad_left: typing.SupportsInt | typing.SupportsIndex,
    dilation_h: typing.SupportsInt | typing.SupportsIndex,
    dilation_w: typing.SupportsInt | typing.SupportsIndex,
    groups: typing.SupportsInt | typing.SupportsIndex,
    p: typing.SupportsInt | typing.SupportsIndex,
    q: typing.SupportsInt | typing.SupportsIndex,
    activation: str,
    window_h: typing.SupportsInt | typing.SupportsIndex,
    window_w: typing.SupportsInt | typing.SupportsIndex,
    pool_stride_h: typing.SupportsInt | typing.SupportsIndex,
    pool_stride_w: typing.SupportsInt | typing.SupportsIndex,
) -> tuple: ...
def conv2d_max_pool2d_backward_input(
    dy: numpy.ndarray,
    indices: numpy.ndarray,
    weight: numpy.ndarray,
    h: typing.SupportsInt | typing.SupportsIndex,
    w: typing.SupportsInt | typing.SupportsIndex,
    c: typing.SupportsInt | typing.SupportsIndex,
    stride_h: typing.SupportsInt | typing.SupportsIndex,
    stride_w: typing.SupportsInt | typing.SupportsIndex,
    pad_top: typing.SupportsInt | typing.SupportsIndex,
    pad_left: typing.SupportsInt | typing.SupportsIndex,
    dilation_h: typing.SupportsInt | typing.SupportsIndex,
    dilation_w: typing.SupportsInt | typing.SupportsIndex,
    groups: typing.SupportsInt | typing.SupportsIndex,
    p: typing.SupportsInt | typing.SupportsIndex,
    q: typing.SupportsInt | typing.SupportsIndex,
    window_h: typing.SupportsInt | typing.SupportsIndex,
    window_w: typing.SupportsInt | typing.SupportsIndex,
    pool_stride_h: typing.SupportsInt | typing.SupportsIndex,
    pool_stride_w: typing.SupportsInt | typing.SupportsIndex,
    out: typing.Any,
) -> numpy.ndarray: ...
def conv2d_max_pool2d_backward_weight(
    x: numpy.ndarray,
    dy: numpy.ndarray,
    indices: numpy.ndarray,
    r: typing.SupportsInt | typing.SupportsIndex,
    s: typing.SupportsInt | typing.SupportsIndex,
    stride_h: typing.SupportsInt | typing.SupportsIndex,
    stride_w: typing.SupportsInt | typing.SupportsIndex,
    pad_top: typing.SupportsInt | typing.SupportsIndex,
    pad_left: typing.SupportsInt | typing.SupportsIndex,
    dilation_h: typing.SupportsInt | typing.SupportsIndex,
    dilation_w: typing.SupportsInt | typing.SupportsIndex,
    groups: typing.SupportsInt | typing.SupportsIndex,
    p: typing.SupportsInt | typing.SupportsIndex,
    q: typing.SupportsInt | typing.SupportsIndex,
    window_h: typing.SupportsInt | typing.SupportsIndex,
    window_w: typing.SupportsInt | typing.SupportsIndex,
    pool_stride_h: typing.SupportsInt | typing.SupportsIndex,
    pool_stride_w: typing.SupportsInt | typing.SupportsIndex,
) -> tuple: ...
def conv_algorithm() -> str: ...
def copy_bandwidth(
    bytes: typing.SupportsInt | typing.SupportsIndex,
    streaming: bool,
    seconds: typing.SupportsFloat | typing.SupportsIndex,
) -> float: ...
def default_num_threads() -> tuple[int, str]: ...
def dropout(
    x: numpy.ndarray,
    p: typing.SupportsFloat | typing.SupportsIndex,
    seed: typing.SupportsInt | typing.SupportsIndex,
    offset: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.ndarray: ...
def empty(
    shape: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
) -> numpy.ndarray: ...
def force_algorithm(family: str, name: typing.Any) -> None: ...
def gemm(
    a: numpy.ndarray,
    b: numpy.ndarray,
    transpose_a: bool,
    transpose_b: bool,
    bias: typing.Any,
    activation: str,
    out: typing.Any,
    accumulate: bool,
) -> numpy.ndarray: ...
def get_num_threads() -> int: ...
def isa() -> str: ...
def last_algorithm(family: str) -> str: ...
def log_softmax(x: numpy.ndarray) -> numpy.ndarray: ...
def log_softmax_backward(dy: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray: ...
def max_pool2d(
    arg0: numpy.ndarray,
    arg1: typing.SupportsInt | typing.SupportsIndex,
    arg2: typing.SupportsInt | typing.SupportsIndex,
    arg3: typing.SupportsInt | typing.SupportsIndex,
    arg4: typing.SupportsInt | typing.SupportsIndex,
    arg5: typing.SupportsInt | typing.SupportsIndex,
    arg6: typing.SupportsInt | typing.SupportsIndex,
    arg7: typing.SupportsInt | typing.SupportsIndex,
    arg8: typing.SupportsInt | typing.SupportsIndex,
) -> tuple: ...
def max_pool2d_backward(
    arg0: numpy.ndarray,
    arg1: numpy.ndarray,
    arg2: typing.SupportsInt | typing.SupportsIndex,
    arg3: typing.SupportsInt | typing.SupportsIndex,
    arg4: typing.SupportsInt | typing.SupportsIndex,
    arg5: typing.SupportsInt | typing.SupportsIndex,
    arg6: typing.SupportsInt | typing.SupportsIndex,
    arg7: typing.SupportsInt | typing.SupportsIndex,
    arg8: typing.SupportsInt | typing.SupportsIndex,
    arg9: typing.SupportsInt | typing.SupportsIndex,
) -> numpy.ndarray: ...
def peak_flops(seconds: typing.SupportsFloat | typing.SupportsIndex) -> float: ...
def program_finish(
    inputs: collections.abc.Sequence[numpy.ndarray],
    known: collections.abc.Sequence[numpy.ndarray],
    kept: collections.abc.Sequence[numpy.ndarray],
) -> typing.Any: ...
def program_start() -> None: ...
def program_stop() -> None: ...
def release_cached_memory() -> None: ...
def set_conv_algorithm(name: str) -> None: ...
def set_isa(name: str) -> None: ...
def set_num_threads(threads: typing.SupportsInt | typing.SupportsIndex) -> None: ...
def sgd_step(
    params: list,
    grads: list,
    momentum_buffers: list | None,
    lr: typing.SupportsFloat | typing.SupportsIndex,
    momentum: typing.SupportsFloat | typing.SupportsIndex,
    nesterov: bool,
    weight_decay: typing.SupportsFloat | typing.SupportsIndex,
) -> None: ...
def softmax(x: numpy.ndarray) -> numpy.ndarray: ...
def softmax_backward(dy: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray: ...
def softmax_cross_entropy(
    logits: numpy.ndarray,
    labels: numpy.ndarray,
    label_smoothing: typing.SupportsFloat | typing.SupportsIndex,
    ignore_index: typing.SupportsInt | typing.SupportsIndex | None,
    class_weight: typing.Any,
    reduction: str,
) -> tuple: ...
