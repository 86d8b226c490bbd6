"""What a model and its layers return for some inputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilewright import nn
from tilewright.autograd import Tensor, no_grad
from tilewright.train.evaluating import evaluating
from tilewright.train.pictures import canvas

Array = NDArray[Any]
_BATCH = 256
_ACTIVATIONS = "tilewright.nn.activation"


def of_layers(model: nn.Module, x: Array) -> list[tuple[str, nn.Module, Array]]:
    """Outputs of the layers, in the order in which they ran.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (N, ...)

    Returns
    -------
    list of (str, Module, ndarray)
        Dotted name, layer and output of every module without others inside. A layer
        that ran twice is there twice.
    """
    names = {id(module): name for name, module in model.named_modules()}
    seen: list[tuple[str, nn.Module, Array]] = []

    def note(module: nn.Module, args: tuple[Any, ...], y: Any) -> None:
        if isinstance(y, Tensor):
            seen.append((names[id(module)], module, y.data))

    leaves = [m for m in model.modules() if not any(True for _ in m.children())]
    handles = [leaf.register_forward_hook(note) for leaf in leaves]
    try:
        with no_grad(), evaluating(model):
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


class Maps(NamedTuple):
    """What a convolution made of images.

    Attributes
    ----------
    name : str
        Of the convolution.
    layer : Module
        Whose output it is: the convolution, or the activation behind it.
    run : int
        How often that layer had run before.
    output : ndarray, shape (N, P, Q, K)
    """

    name: str
    layer: nn.Module
    run: int
    output: Array


def maps(model: nn.Module, x: Array) -> list[Maps]:
    """Outputs of the convolutions, behind their activation where there is one.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (N, H, W, C)

    Returns
    -------
    list of Maps
        In the order in which they ran.
    """
    seen = of_layers(model, x)
    found: list[Maps] = []
    for number, (name, layer, _) in enumerate(seen):
        if not isinstance(layer, nn.Conv2d):
            continue
        last = number
        following = seen[number + 1 : number + 2]
        if following and type(following[0][1]).__module__ == _ACTIVATIONS:
            last += 1
        shown = seen[last][1]
        run = sum(each is shown for _, each, _ in seen[:last])
        found.append(Maps(name, shown, run, seen[last][2]))
    return found


def logits(model: nn.Module, x: Array) -> Array:
    """What a model returns, (N, K), computed in batches.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (N, ...)
    """
    batches = range(0, len(x), _BATCH)
    return np.concatenate([model(x[at : at + _BATCH]).data for at in batches])


def classes(op: str, wanted: ArrayLike | None, scores: Array) -> Array:
    """Class ids asked for, or those that a model predicts.

    Parameters
    ----------
    op : str
        Named in errors.
    wanted : array_like of int, shape (N,), optional
    scores : ndarray, shape (N, K)

    Returns
    -------
    ndarray of int, shape (N,)

    Raises
    ------
    ValueError
        If the shapes do not fit, or an id is out of range.
    """
    if scores.ndim != 2:
        raise ValueError(f"{op}: the model must return (N, K), got {scores.shape}")
    if wanted is None:
        predicted: Array = scores.argmax(axis=1)
        return predicted
    chosen = canvas.labels(op, "classes", wanted, len(scores))
    if not 0 <= chosen.min() <= chosen.max() < scores.shape[1]:
        raise ValueError(
            f"{op}: classes must be in [0, {scores.shape[1]}), got {chosen.min()} to "
            f"{chosen.max()}"
        )
    return chosen
