"""Models that are layers in a row, which is what can be carried over layer by layer."""

from __future__ import annotations

from tilewright import nn
from tilewright.nn.fusion import is_plain


def layers(caller: str, model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers of a model in the order in which they run, with their dotted names.

    Parameters
    ----------
    caller : str
        Named in errors.
    model : Module
        A Sequential, of which others may be part, or a single layer.

    Returns
    -------
    list of (str, Module)
        A single layer has the name "".

    Raises
    ------
    TypeError
        If it is no Module.
    ValueError
        If the order cannot be known: a module of another class has modules inside,
        or hooks or a changed ``forward`` are in the way.

    Examples
    --------
    >>> from tilewright import nn
    >>> from tilewright.interop.row import layers
    >>> inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> [name for name, _ in layers("example", nn.Sequential(inner, nn.Tanh()))]
    ['0.0', '0.1', '1']
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"{caller}: model must be a Module, got {type(model).__name__}")
    return _layers(caller, model, "")


def _layers(caller: str, model: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    kind = type(model)
    if not is_plain(model) or not kind.__module__.startswith("tilewright.nn."):
        raise ValueError(
            f"{caller}: expected Sequential and layers of tilewright.nn without hooks, "
            f"got {kind.__name__}" + (f" at {name}" if name else "")
        )
    if kind is nn.Sequential:
        return [
            pair
            for key, child in model.named_children()
            for pair in _layers(caller, child, f"{name}.{key}" if name else key)
        ]
    if any(True for _ in model.children()):
        raise ValueError(
            f"{caller}: {kind.__name__} does not say in which order its modules run; "
            "only Sequential does"
        )
    return [(name, model)]
