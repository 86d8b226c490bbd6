"""Models as files: what they are made of as plain values, never as code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.keras import initializers, layers, losses, metrics, optimizers
from tilewright.keras.layers.core import InputLayer
from tilewright.keras.layers.layer import Call, KerasTensor, Layer
from tilewright.keras.models import weights_h5
from tilewright.keras.models.objective import Compiled
from tilewright.keras.models.structure import Structure, tensors_of
from tilewright.keras.optimizers import schedules
from tilewright.kernels.devices import to_host
from tilewright.nn import L1L2
from tilewright.train import load_tree, save_tree

if TYPE_CHECKING:
    from tilewright.keras.models.model import Model

_HOMES: dict[str, Any] = {
    "initializer": initializers,
    "loss": losses,
    "metric": metrics,
    "optimizer": optimizers,
    "schedule": schedules,
}
_BASES: dict[str, Any] = {
    "initializer": initializers.Initializer,
    "loss": losses.Loss,
    "metric": metrics.Metric,
    "optimizer": optimizers.Optimizer,
    "schedule": schedules.LearningRateSchedule,
}


def save_model(
    model: Model, path: str | os.PathLike[str], overwrite: bool = True
) -> None:
    """Write a model; see `Model.save`."""
    _check_free(path, overwrite)
    optimizer = model._optimizer
    native = None if optimizer is None else optimizer.native
    tree = {
        "model": describe_model(model),
        "weights": [to_host(weight) for weight in model.weights],
        "training": None,
        "optimizer": None if native is None else native.state_dict(),
        "iterations": 0 if optimizer is None else optimizer.iterations,
    }
    compiled = model._compiled
    if optimizer is not None and compiled is not None and not _own_code(compiled):
        names = ("loss", "loss_weights", "metrics", "weighted_metrics")
        tree["training"] = {
            "optimizer": describe(optimizer),
            **{name: describe(vars(compiled)[name]) for name in names},
        }
    save_tree(path, tree)


def load_model(path: str | os.PathLike[str], compile: bool = True) -> Model:
    """Read what `Model.save` wrote.

    Parameters
    ----------
    path : path
    compile : bool, default True
        Whether it is ready to be trained on, from where it was.

    Returns
    -------
    Model

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or of another kind.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from tilewright import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "model.keras")
    ...     model.save(name)
    ...     again = keras.models.load_model(name)
    >>> bool((again.get_weights()[0] == model.get_weights()[0]).all())
    True
    """
    tree = load_tree(path)
    if not {"model", "weights", "training"} <= set(tree):
        raise ValueError(f"{path}: holds no model of tilewright.keras")
    model = build_model(tree["model"])
    model.set_weights(tree["weights"])
    training = tree["training"]
    if compile and training is not None:
        model.compile(**{name: build(each) for name, each in training.items()})
        if tree["optimizer"] is not None:
            native = model.optimizer.bind(model.moved())
            native.load_state_dict(tree["optimizer"])
            model.optimizer.iterations = int(tree["iterations"])
    return model


def clone_model(model: Model) -> Model:
    """A model of the same layers with new weights, not compiled.

    Parameters
    ----------
    model : Model

    Returns
    -------
    Model

    Raises
    ------
    TypeError
        If a layer has a function of the user's own.

    Examples
    --------
    >>> from tilewright import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> keras.models.clone_model(model).count_params()
    9
    """
    return build_model(describe_model(model))


def save_weights(
    model: Model, path: str | os.PathLike[str], overwrite: bool = True
) -> None:
    """Write the weights alone; see `Model.save_weights`."""
    _check_free(path, overwrite)
    if str(path).endswith(".weights.h5"):
        weights_h5.save(model, path)
    else:
        save_tree(path, {"weights": [to_host(weight) for weight in model.weights]})


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """Take over weights; see `Model.load_weights`."""
    if str(path).endswith(".weights.h5"):
        weights_h5.load(model, path)
        return
    tree = load_tree(path)
    if "weights" not in tree:
        raise ValueError(f"{path}: holds no weights of tilewright.keras")
    model.set_weights(tree["weights"])


def _own_code(value: Any) -> bool:
    """Whether losses or metrics are functions or classes of the user's own."""
    if isinstance(value, Compiled):
        return _own_code([value.loss, value.metrics, value.weighted_metrics])
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(_own_code(each) for each in value)
    if isinstance(value, losses.Loss | metrics.Metric):
        home = losses if isinstance(value, losses.Loss) else metrics
        return type(value).__module__ != home.__name__ or "function" in vars(value)
    return callable(value)


def _check_free(path: str | os.PathLike[str], overwrite: bool) -> None:
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{path}: is there already, and overwrite is False")


# Objects as plain values, and back.


def describe(value: Any) -> Any:
    """Plain values that stand for an object of this package.

    Raises
    ------
    TypeError
        If it is a function or an object of the user's own.
    """
    if isinstance(value, L1L2):
        return {"kind": "regularizer", "config": {"l1": value.l1, "l2": value.l2}}
    for kind, base in _BASES.items():
        if isinstance(value, base):
            name = type(value).__name__
            if vars(_HOMES[kind]).get(name) is not type(value):
                break
            config = value.get_config()
            plain = {name: describe(each) for name, each in config.items()}
            return {"kind": kind, "class": name, "config": plain}
    if isinstance(value, Mapping):
        return {"kind": "dict", "config": {k: describe(v) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return [describe(each) for each in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    what = getattr(value, "__name__", type(value).__name__)
    raise TypeError(f"save: cannot describe {what}, which is none of tilewright's")


def build(value: Any) -> Any:
    """The object that plain values stand for.

    Raises
    ------
    ValueError
        If there is no such class.
    """
    if isinstance(value, list):
        return [build(each) for each in value]
    if not isinstance(value, dict):
        return value
    config = {name: build(each) for name, each in value["config"].items()}
    if value["kind"] == "dict":
        return config
    if value["kind"] == "regularizer":
        return L1L2(**config)
    base = _BASES.get(value["kind"])
    found = vars(_HOMES.get(value["kind"], object)).get(value["class"])
    if base is None or not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"load_model: unknown {value['kind']} {value['class']!r}")
    return found(**config)


def describe_layer(layer: Layer) -> dict[str, Any]:
    """Plain values that stand for a layer, or for a model that is one."""
    from tilewright.keras.models.model import Model

    if isinstance(layer, Model):
        return describe_model(layer)
    name = type(layer).__name__
    if vars(layers).get(name) is not type(layer):
        raise TypeError(f"save: cannot describe the layer {name}")
    config = {key: describe(value) for key, value in layer.get_config().items()}
    return {"class": name, "config": config}


def build_layer(value: dict[str, Any]) -> Layer:
    """The layer that plain values stand for."""
    if "layers" in value:
        return build_model(value)
    found = vars(layers).get(value["class"])
    if not (isinstance(found, type) and issubclass(found, Layer)):
        raise ValueError(f"load_model: unknown layer {value['class']!r}")
    return found(**{key: build(each) for key, each in value["config"].items()})


def describe_model(model: Model) -> dict[str, Any]:
    """Plain values that stand for a model: its layers, and which follows which."""
    from tilewright.keras.models.sequential import Sequential

    network = model.network
    members = network.layers
    numbers = {id(call): number for number, call in enumerate(network.calls)}

    def place(tensor: KerasTensor) -> list[int]:
        return [numbers[id(tensor.call)], tensor.index]

    def ends(structure: Structure) -> Any:
        names = structure.names if structure.by_name else None
        return {"places": [place(each) for each in structure.tensors], "names": names}

    nodes = [
        [
            next(i for i, layer in enumerate(members) if layer is call.layer),
            [place(tensor) for tensor in call.inputs],
            call.training,
        ]
        for call in network.calls
    ]
    return {
        "class": "Sequential" if isinstance(model, Sequential) else "Model",
        "name": model.name,
        "trainable": model.trainable,
        "layers": [describe_layer(layer) for layer in members],
        "nodes": nodes,
        "inputs": ends(model._inputs),
        "outputs": ends(model._outputs),
    }


def build_model(value: dict[str, Any]) -> Model:
    """The model that plain values stand for."""
    from tilewright.keras.models.model import Model
    from tilewright.keras.models.sequential import Sequential

    members = [build_layer(each) for each in value["layers"]]
    model: Model
    if value["class"] == "Sequential":
        model = Sequential(members, name=value["name"])
    else:
        made: list[list[KerasTensor]] = []

        def tensor(place: list[int]) -> KerasTensor:
            return made[place[0]][place[1]]

        def ends(described: dict[str, Any]) -> Any:
            tensors = [tensor(place) for place in described["places"]]
            if described["names"] is not None:
                return dict(zip(described["names"], tensors, strict=True))
            return tensors if len(tensors) > 1 else tensors[0]

        for number, places, training in value["nodes"]:
            layer = members[number]
            if isinstance(layer, InputLayer):
                made.append([layer.output])
                continue
            given: Any = [tensor(place) for place in places]
            call = Call(layer, given, training)
            made.append(tensors_of(layer.connect(call)))
        model = Model(ends(value["inputs"]), ends(value["outputs"]), value["name"])
    model._trainable = bool(value["trainable"])
    return model
