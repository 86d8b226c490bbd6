"""Lists of whole networks' parameters, for the optimizers' cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tilewright.bench import torch_tensors
from tilewright.bench.arrays import host
from tilewright.bench.case import Array, Inputs, Parameters

Shapes = list[list[int]]

# (name, in a quick run)
SETS = (
    ("MNIST CNN", True),
    ("perceptron", False),
    ("100 k, one array", True),
    ("1 M, one array", False),
    ("10 M, one array", True),
    ("odd sizes", False),
    ("ResNet-50", False),
)


def shapes_of(name: str) -> Shapes:
    """Shapes of the parameters of one of `SETS`.

    Parameters
    ----------
    name : str

    Returns
    -------
    list of list of int

    Raises
    ------
    KeyError
        If there is no such set.

    Examples
    --------
    >>> count(shapes_of("MNIST CNN"))
    93322
    """
    if name == "ResNet-50":
        return _resnet50()
    return {
        "MNIST CNN": [
            *([3, 3, 1, 32], [32], [3, 3, 32, 64], [64], [3, 3, 64, 64], [64]),
            *([576, 64], [64], [64, 10], [10]),
        ],
        "perceptron": [[784, 128], [128], [128, 10], [10]],
        "100 k, one array": [[100_000]],
        "1 M, one array": [[1_000_000]],
        "10 M, one array": [[10_000_000]],
        "odd sizes": [[1], [7], [63], [65], [1021], [99_991], [3, 5, 7]],
    }[name]


def count(shapes: Shapes) -> int:
    """How many parameters there are.

    Examples
    --------
    >>> count([[2, 3], [4]])
    10
    """
    return sum(math.prod(shape) for shape in shapes)


def small(shapes: Shapes) -> Shapes:
    """A few small arrays of the same dimensions.

    Examples
    --------
    >>> small([[100000], [3, 3, 64, 64]])
    [[33], [3, 3, 5, 5]]
    """
    return [
        [min(n, 33 if len(shape) == 1 else 5) for n in shape] for shape in shapes[:12]
    ]


def shrink(p: Parameters) -> Parameters:
    """A small case of the same kind.

    Examples
    --------
    >>> shrink({"kind": "Adagrad", "shapes": [[100000]]})
    {'kind': 'Adagrad', 'shapes': [[33]]}
    """
    return {**p, "shapes": small(p["shapes"])}


def lists_of(given: Inputs, kinds: Sequence[str], number: int) -> list[list[Array]]:
    """The arrays ``kind0``, ``kind1`` ... of each kind, in one list a kind.

    Examples
    --------
    >>> lists_of({"param0": np.ones(1), "grad0": np.zeros(1)}, ("param", "grad"), 1)
    [[array([1.])], [array([0.])]]
    """
    return [[given[f"{kind}{i}"] for i in range(number)] for kind in kinds]


def updated(lists: Sequence[Sequence[Array]]) -> list[Array]:
    """What a step has written, a vector a list: all but the gradients, the second.

    Examples
    --------
    >>> updated([[np.ones(1), np.zeros(1)], [np.ones(2)]])
    [array([1., 0.])]
    """
    return [
        np.concatenate([host(array).ravel() for array in arrays])
        for arrays in (lists[0], *lists[2:])
    ]


def tensors_of(lists: Sequence[Sequence[Array]]) -> list[list[Any]]:
    """PyTorch's tensors of lists of arrays."""
    return [[torch_tensors.tensor(array) for array in arrays] for arrays in lists]


def updated_tensors(lists: Sequence[Sequence[Any]]) -> list[Array]:
    """The same as `updated`, of PyTorch's tensors."""
    return updated([[torch_tensors.array(one) for one in some] for some in lists])


def set_gradients(tensors: Sequence[Any], grads: Sequence[Any]) -> None:
    """Give PyTorch's tensors their gradients."""
    for tensor, grad in zip(tensors, grads, strict=True):
        tensor.requires_grad_().grad = grad


def _resnet50() -> Shapes:
    """161 arrays, as of He et al., "Deep Residual Learning", 2015."""

    def layer(size: int, inner: int, outer: int) -> Shapes:
        return [[size, size, inner, outer], [outer], [outer]]

    shapes, inner = layer(7, 3, 64), 64
    for blocks, width in ((3, 64), (4, 128), (6, 256), (3, 512)):
        for block in range(blocks):
            shapes += layer(1, inner, width) + layer(3, width, width)
            shapes += layer(1, width, 4 * width)
            if block == 0:
                shapes += layer(1, inner, 4 * width)
            inner = 4 * width
    return [*shapes, [2048, 1000], [1000]]
