"""Packages that only some of tilewright needs, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import an optional package, or say how to get it.

    Parameters
    ----------
    module
        Name to import, such as ``"safetensors.numpy"``.
    extra
        The extra of tilewright that brings the package, such as ``"train"``.

    Returns
    -------
    The module.

    Raises
    ------
    ImportError
        If the package is not installed; the message holds the command that
        installs it.

    Examples
    --------
    >>> require("json", extra="train").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there, but misses something of its own
        raise ImportError(
            f"tilewright: this needs the package {package!r}; "
            f"install it with: pip install 'tilewright[{extra}]'"
        ) from None
