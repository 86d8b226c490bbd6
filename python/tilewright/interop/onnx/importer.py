"""From an ONNX file to a model: an operator is a layer, or a function."""

from __future__ import annotations

import os
from pathlib import Path

from tilewright import nn
from tilewright.extras import require
from tilewright.interop.onnx.layers import READERS
from tilewright.interop.onnx.nodes import File, Node, UnsupportedError
from tilewright.interop.onnx.state import State

# What the values of a file can bring about in the code that takes them.
_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def load(path: str | os.PathLike[str]) -> nn.Module:
    """Read an ONNX file.

    Images are channels last in the model that is returned, whatever they are in the
    file: ONNX's ``(N, C, H, W)`` inputs become ``(N, H, W, C)``, and the weights of
    linear layers behind a flattening are put in that order. A ``Transpose`` to
    channels first at the file's beginning is understood. Outputs that are images are
    channels last too, unless `export` wrote the file: then they are what the model
    gave that was exported.

    Parameters
    ----------
    path : path
        Written by `export`, or by others with the same operators: Conv, Gemm, MatMul
        (with Add), pooling, BatchNormalization, Flatten, Dropout, Softmax,
        LogSoftmax and activations, which become layers; arithmetic, Concat, Pad,
        Reshape, Transpose, Slice, Gather, Expand, reductions and the like, which
        become functions between them.

    Returns
    -------
    Module
        In evaluation mode: a Sequential where the file is layers in a row, else a
        module that runs layers and functions in the file's order. Arrays that are no
        layer's are its buffers.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or an operator or its options have no counterpart
        here; the text names the node.
    ImportError
        If onnx is not installed.

    Examples
    --------
    >>> from tilewright.interop import onnx
    >>> model = onnx.load("model.onnx")  # doctest: +SKIP
    """
    onnx = require("onnx", extra="onnx")
    if not Path(path).is_file():
        raise FileNotFoundError(f"load: no such file: {path}")
    try:
        # Weights in other files are not followed: the path would be the file's choice.
        model = onnx.load(os.fspath(path), load_external_data=False)
        model = onnx.shape_inference.infer_shapes(model, check_type=True)
        onnx.checker.check_model(model)
        file = File(onnx, model)
    except UnsupportedError as error:
        raise ValueError(f"load: {path}: {error}") from error
    except Exception as error:  # of protobuf and of onnx, of no common class
        raise ValueError(f"load: {path}: damaged, or no ONNX file ({error})") from error
    try:
        state = State(file)
        for node in state.to_read():
            _read(state, node)
        return state.finish()
    except UnsupportedError as error:
        raise ValueError(f"load: {path}: {error}") from error


def _read(state: State, node: Node) -> None:
    if node.operator not in READERS:
        raise UnsupportedError(f"{node}: the operator has no counterpart here")
    try:
        READERS[node.operator](state, node)
    except UnsupportedError:
        raise
    except _ERRORS as error:
        raise UnsupportedError(f"{node}: {error}") from error
