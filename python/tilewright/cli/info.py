"""`tilewright info`: what is compiled, and what will run here."""

from __future__ import annotations

import sys
from typing import Any

import typer


def info() -> None:
    """Show versions, backends, instruction set, threads and kernels."""
    from tilewright import info as collect

    rows = list(describe(collect()))
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(show_header=False, box=None)
        for name, value in rows:
            table.add_row(name, value)
        Console(markup=False, highlight=False).print(table)
        return
    for name, value in rows:
        typer.echo(f"{name}: {value}")


def describe(about: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table, from what `tilewright.info` returns.

    Parameters
    ----------
    about : dict
        Plain values; dictionaries in it become one row an entry.

    Returns
    -------
    list of (str, str)
    """
    rows = []
    for name, value in about.items():
        if name == "backends":
            for backend, problem in value.items():
                state = "available" if problem is None else f"not available: {problem}"
                rows.append((f"backend {backend}", state))
        elif isinstance(value, dict):
            rows += [(f"{name} {key}", _text(item)) for key, item in value.items()]
        else:
            rows.append((name.replace("_", " "), _text(value)))
    return rows


def _text(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)
