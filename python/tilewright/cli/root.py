"""What `tilewright` takes before the name of a command."""

from __future__ import annotations

from typing import Annotated

import typer


def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.")
    ] = False,
) -> None:
    """Train and use neural networks on hand-written kernels."""
    if version:
        from tilewright import __version__

        typer.echo(f"tilewright {__version__}")
        raise typer.Exit
