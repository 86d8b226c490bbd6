"""`tilewright selftest`: the conformance suite, on the user's machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tilewright.cli.errors import user_errors


def selftest(
    device: Annotated[
        str | None,
        typer.Option(help="cpu or numpy. Default: the one that would run."),
    ] = None,
) -> None:
    """Check every kernel against NumPy in float64; ends with 1 if one fails."""
