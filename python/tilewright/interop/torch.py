"""Weights in PyTorch's layouts: what a state dict of the same network there holds.

Convolution weights go between ``(R, S, C/groups, K)`` and ``(K, C/groups, R, S)``,
linear ones between ``(in, out)`` and ``(out, in)``. A linear layer behind a Flatten of
images sees its inputs in another order, ``(H, W, C)`` here and ``(C, H, W)`` there, and
the rows of its weight are put in that order. In modules that branch the features are
followed through sums and concatenations.

    sd = tilewright.interop.torch.to_state_dict(model)      # torch tensors
    tilewright.interop.torch.load_state_dict(model, torch_model.state_dict())

With `to_arrays` and `tw.load` the same goes through safetensors files, and PyTorch
need not be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import nn
from tilewright.extras import require
from tilewright.interop.flattening import flattened_orders
from tilewright.nn.loading import LoadResult

Array = NDArray[Any]


def to_arrays(model: nn.Module, input_shape: Any = None) -> dict[str, Array]:
    """Weights as PyTorch lays them out, as NumPy arrays.

    Parameters
    ----------
    model : Module
        Of layers. A Parameter that belongs to none of them keeps its layout.
    input_shape : sequence of int, or a sequence of them, optional
        Of one sample, for several inputs one for each. Needed for a module with
        convolutions that is no Sequential: by running it is found which linear layers
        see flattened images (:func:`tilewright.interop.trace.trace`).

    Returns
    -------
    dict of str to ndarray
        Copies, by the names of the same ``torch.nn.Sequential``; `tw.save` makes a
        safetensors file of them that ``safetensors.torch.load_file`` reads.

    Raises
    ------
    TypeError
        If it is no Module.
    ValueError
        If the order of its layers cannot be known without `input_shape`, or it does
        not take such inputs.

    Examples
    --------
    >>> from tilewright import interop, nn
    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(32, 5))
    >>> {k: v.shape for k, v in interop.torch.to_arrays(model).items()}
    {'0.weight': (8, 1, 3, 3), '0.bias': (8,), '2.weight': (5, 32), '2.bias': (5,)}
    """
    moves = {name: there for name, there, _ in _moves("to_arrays", model, input_shape)}
    return {name: moves[name](array) for name, array in model.state_dict().items()}


def to_state_dict(model: nn.Module, input_shape: Any = None) -> dict[str, Any]:
    """Weights as a state dict for the same network in PyTorch.

    Parameters
    ----------
    model, input_shape
        As for `to_arrays`.

    Returns
    -------
    dict of str to torch.Tensor

    Raises
    ------
    TypeError, ValueError
        As `to_arrays` does.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> from tilewright import interop, nn
    >>> state = interop.torch.to_state_dict(nn.Linear(3, 2))  # doctest: +SKIP
    """
    torch = require("torch", extra="torch")
    arrays = to_arrays(model, input_shape)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def load_state_dict(
    model: nn.Module,
    state_dict: Mapping[str, Any],
    strict: bool = True,
    *,
    by: str = "name",
    input_shape: Any = None,
) -> LoadResult:
    """Take over a state dict of the same network in PyTorch.

    Parameters
    ----------
    model : Module
        As for `to_arrays`.
    state_dict : dict of str to torch.Tensor or ndarray
        In PyTorch's layouts, such as ``torch_model.state_dict()`` or what `tw.load`
        reads from a safetensors file.
    strict : bool, default True
        Whether names that are missing or not expected are errors.
    by : {"name", "order"}, default "name"
        Whether the arrays are matched by name, or by their order alone, for a network
        whose layers are named otherwise.
    input_shape
        As for `to_arrays`.

    Returns
    -------
    LoadResult
        As `Module.load_state_dict`; all is loaded, or nothing.

    Raises
    ------
    TypeError
        If it is no dict of arrays, or an array's dtype cannot become the parameter's.
    ValueError
        If names, numbers or shapes do not match, or the order of the model's layers
        cannot be known without `input_shape`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import interop, nn
    >>> layer = nn.Linear(2, 1)
    >>> weight, bias = np.array([[1, 2]], np.float32), np.zeros(1, np.float32)
    >>> interop.torch.load_state_dict(layer, {"weight": weight, "bias": bias})
    LoadResult(missing=[], unexpected=[])
    >>> layer.weight.data.tolist()
    [[1.0], [2.0]]
    """
    op = "load_state_dict from PyTorch"
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"{op}: state_dict must be a dict of arrays, got "
            f"{type(state_dict).__name__}"
        )
    if by not in ("name", "order"):
        raise ValueError(f"{op}: by must be 'name' or 'order', got {by!r}")
    moves = {name: here for name, _, here in _moves(op, model, input_shape)}
    own = list(model.state_dict())
    arrays = {str(name): _array(op, name, value) for name, value in state_dict.items()}
    if by == "order":
        if len(arrays) != len(own):
            raise ValueError(
                f"{op}: the state dict has {len(arrays)} arrays, the model {len(own)}"
            )
        arrays = dict(zip(own, arrays.values(), strict=True))
    converted = {
        name: moves[name](array) if name in moves else array
        for name, array in arrays.items()
    }
    return model.load_state_dict(converted, strict)


Move = Callable[[Array], Array]


def _moves(
    caller: str, model: nn.Module, input_shape: Any
) -> Iterator[tuple[str, Move, Move]]:
    """Name of each array, and how it is moved there and back here."""
    orders = flattened_orders(caller, model, input_shape)
    moves: dict[int, tuple[Move, Move]] = {}
    for name, layer in model.named_modules():
        order = orders.get(name)
        for key, value in layer._state(""):
            there: Move = _keep
            here: Move = _keep
            if key == "weight" and isinstance(layer, nn.Conv2d):
                there, here = _oihw, _hwio
            elif key == "weight" and isinstance(layer, nn.Linear):
                there, here = _out_in(order), _in_out(order)
            elif order is not None and isinstance(layer, nn.BatchNorm1d):
                there, here = _reordered(order), _restored(order)
            if "." not in key:
                moves[id(value)] = there, here
    # By the arrays, for one layer may have two names.
    for name, value in model._state(""):
        yield name, *moves[id(value)]


def _keep(array: Array) -> Array:
    return array


def _oihw(weight: Array) -> Array:
    return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))


def _hwio(weight: Array) -> Array:
    if weight.ndim != 4:
        return weight  # refused for its shape, with its name
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0))


def _reordered(order: Array) -> Move:
    """Features in PyTorch's order, along the first axis."""

    def move(array: Array) -> Array:
        fits = array.ndim and len(array) == len(order)
        return np.ascontiguousarray(array[order]) if fits else array

    return move


def _restored(order: Array) -> Move:
    """The way back of `_reordered`."""
    return _reordered(np.argsort(order))


def _out_in(order: Array | None) -> Move:
    move = _keep if order is None else _reordered(order)
    return lambda weight: np.ascontiguousarray(move(weight).T)


def _in_out(order: Array | None) -> Move:
    move = _keep if order is None else _restored(order)
    return lambda weight: np.ascontiguousarray(move(weight.T))


def _array(op: str, name: Any, value: Any) -> Array:
    """A NumPy array of a torch tensor, on whatever device, or of an array."""
    if isinstance(value, np.ndarray):
        return value
    try:
        tensor = value.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":  # a type that NumPy does not have
            tensor = tensor.float()
        array: Array = tensor.numpy()
    except AttributeError:
        raise TypeError(
            f"{op}: {name} must be a torch tensor or a NumPy array, got "
            f"{type(value).__name__}"
        ) from None
    return array
