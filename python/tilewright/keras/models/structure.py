"""How the several inputs or outputs of a model are given: in a row, or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tilewright.keras.layers.layer import KerasTensor


class Structure:
    """The inputs of a model, or its outputs.

    Parameters
    ----------
    what : str
        Named in errors: "input" or "output".
    value : KerasTensor, or sequence or dict of them
        As the model was given it.

    Attributes
    ----------
    tensors : list of KerasTensor
    names : list of str
        What each is called: its key in the dict, else the name of its layer.
    by_name : bool
        Whether the model was given a dict.
    single : bool
        Whether there is one, which is given as it is.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If something is no KerasTensor.
    """

    def __init__(self, what: str, value: Any) -> None:
        self.what = what
        self.by_name = isinstance(value, Mapping)
        self.tensors = tensors_of(value)
        if not self.tensors:
            raise ValueError(f"Model: needs at least one {what}")
        for tensor in self.tensors:
            if not isinstance(tensor, KerasTensor):
                raise TypeError(
                    f"Model: {what}s must be what Input or a layer returns, got "
                    f"{type(tensor).__name__}"
                )
        layers = _distinct([tensor.name for tensor in self.tensors])
        self.names = sorted(value) if self.by_name else layers
        self._layers = layers
        self.single = len(self.tensors) == 1 and not self.by_name

    def __len__(self) -> int:
        return len(self.tensors)

    def pack(self, values: Sequence[Any]) -> Any:
        """Values, one each, in the form in which the model was given them."""
        if self.single:
            return values[0]
        if self.by_name:
            return dict(zip(self.names, values, strict=True))
        return list(values)

    def unpack(self, argument: str, value: Any, expected: int | None = None) -> Any:
        """Values, one each, from a row or a dict of them.

        Parameters
        ----------
        argument : str
            Named in errors.
        value : array_like, or sequence or dict of them
        expected : int, optional
            How many there are to be where not all have one; None stands for those
            that a dict or a row leaves out.

        Returns
        -------
        list

        Raises
        ------
        ValueError
            If one is missing.
        """
        count = len(self)
        if isinstance(value, Mapping):
            for names in (self.names, self._layers):
                known = [name in value for name in names]
                if all(known) or (expected is not None and any(known)):
                    return [value.get(name) for name in names]
            raise ValueError(
                f"{argument}: the model's {self.what}s are {self._said()}, got a dict "
                f"with {', '.join(map(repr, value))}"
            )
        if count == 1:
            # A row with one array; numbers in a row are an array themselves.
            row = isinstance(value, list | tuple) and len(value) == 1
            alone = row and hasattr(value[0], "__array__") and np.ndim(value[0]) > 0
            return [value[0] if alone else value]
        if not isinstance(value, list | tuple) or len(value) not in (count, expected):
            got = f"{len(value)}" if isinstance(value, list | tuple) else "one array"
            raise ValueError(
                f"{argument}: the model has {count} {self.what}s, {self._said()}; give "
                f"a list or a dict with one array each, got {got}"
            )
        return list(value)

    def _said(self) -> str:
        return ", ".join(map(repr, self.names))


def tensors_of(value: Any) -> list[KerasTensor]:
    """The tensors of what a model or a layer returns, in a row."""
    if isinstance(value, Mapping):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, list | tuple) else [value]


def _distinct(names: list[str]) -> list[str]:
    """Names of which those that occur again have numbers, as in Keras."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        number = seen.get(name, 0)
        seen[name] = number + 1
        found.append(f"{name}_{number}" if number else name)
    return found
