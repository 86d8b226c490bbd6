"""Names that are given by themselves, and arguments that may be a name or an object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_counts: dict[str, int] = {}


def snake_case(name: str) -> str:
    """A class's name as Keras writes it.

    Examples
    --------
    >>> snake_case("MaxPooling2D"), snake_case("Dense")
    ('max_pooling2d', 'dense')
    """
    words = re.sub(r"([a-z0-9])([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", words).lower()


def automatic(kind: str) -> str:
    """The next free name of a kind: ``dense``, ``dense_1``, ..."""
    base = snake_case(kind)
    number = _counts.get(base, 0)
    _counts[base] = number + 1
    return f"{base}_{number}" if number else base


def reset() -> None:
    """Count from the beginning again."""
    _counts.clear()


def resolve(what: str, value: Any, known: Mapping[str, Callable[[], Any]]) -> Any:
    """An object by its name, or the object itself.

    Parameters
    ----------
    what : str
        Named in the error.
    value : str or object
    known : dict of str to callable
        What makes each.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if not isinstance(value, str):
        return value
    name = value if value in known else snake_case(value)
    if name not in known:
        raise ValueError(
            f"unknown {what} {value!r}; expected one of {', '.join(sorted(known))}"
        )
    return known[name]()
