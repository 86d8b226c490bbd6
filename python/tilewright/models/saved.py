"""Trained models as files: weights, and what is needed to use them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilewright.models.registry import ModelEntry, model_entry
from tilewright.nn import Module, load, save
from tilewright.safetensors_file import open_safetensors

_METADATA_KEY = "tilewright.model"


@dataclass(frozen=True)
class SavedModel:
    """A model read from its file.

    Attributes
    ----------
    model : Module
        With the trained weights, in evaluation mode.
    name : str
        In the registry.
    classes : list of str
        Names of the classes, by class id.
    """

    model: Module
    name: str
    classes: list[str]

    @property
    def entry(self) -> ModelEntry:
        """The registry's entry, which knows the preprocessing."""
        return model_entry(self.name)


def save_model(
    path: str | os.PathLike[str], model: Module, name: str, classes: list[str]
) -> None:
    """Write a model of the registry with its weights.

    The file is plain safetensors with the state dict's names, so ``tw.load`` reads
    it too; name and classes are in its metadata.

    Parameters
    ----------
    path : path
    model : Module
    name : str
        In the registry.
    classes : list of str
        Names of the classes, by class id.

    Raises
    ------
    ValueError
        If there is no model of that name.
    ImportError
        If safetensors is not installed.
    """
    model_entry(name)
    about = json.dumps({"name": name, "classes": classes})
    save(model, path, {_METADATA_KEY: about})


def load_model(path: str | os.PathLike[str]) -> SavedModel:
    """Read a model that `save_model` wrote.

    Parameters
    ----------
    path : path
        The file, or the folder with ``model.safetensors`` in it.

    Returns
    -------
    SavedModel

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, does not say which model it is, or its weights are those of
        another.
    ImportError
        If safetensors is not installed.
    """
    file_path = Path(path)
    if file_path.is_dir():
        file_path = file_path / "model.safetensors"
    with open_safetensors(file_path, "no such model file") as file:
        metadata: dict[str, str] = file.metadata() or {}
    name, classes = _about(file_path, metadata.get(_METADATA_KEY, ""))
    try:
        model = model_entry(name).build(len(classes))
        model.load_state_dict(load(file_path))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file_path}: {error}") from error
    model.eval()
    return SavedModel(model, name, classes)


def _about(path: Path, text: str) -> tuple[str, list[str]]:
    """The model's name and its classes, from the file's metadata."""
    try:
        about: Any = json.loads(text)
    except (ValueError, RecursionError):
        about = None
    if isinstance(about, dict):
        name, classes = about.get("name"), about.get("classes")
        if (
            isinstance(name, str)
            and isinstance(classes, list)
            and classes
            and all(isinstance(each, str) for each in classes)
        ):
            return name, classes
    raise ValueError(
        f"{path}: does not say which model it is; expected a file written by "
        "tilewright train --out"
    )
