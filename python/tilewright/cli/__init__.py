"""The command line `tilewright`, one file per command.

This file needs no optional package, so that it can say which one is missing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from tilewright.cli.errors import UserError
from tilewright.extras import require

# Each is a function of its own name in the module of its own name.
COMMANDS = ("train", "predict", "bench", "info", "selftest")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those the process was started with.

    Raises
    ------
    SystemExit
        Always: 0 after success, 1 after an error, 2 for wrong usage, 130 after
        Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.exit(_run(words))
    except UserError as error:
        _fail(str(error), 1)
    except ModuleNotFoundError:
        raise
    except ImportError as error:
        if not str(error).startswith("tilewright:"):
            raise
        _fail(str(error).removeprefix("tilewright:"), 1)
    except BrokenPipeError:
        # The reader (head, less) has left; the interpreter would complain on exit.
        sys.stdout = None
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _run(words: list[str]) -> int:
    typer = require("typer", extra="train")
    from tilewright.cli.root import root

    app = typer.Typer(
        name="tilewright",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(root)
    # One command needs one module; help needs the first lines of all.
    wanted = words[:1] if words and words[0] in COMMANDS else COMMANDS
    for name in wanted:
        module = importlib.import_module(f"tilewright.cli.{name}")
        app.command(name)(getattr(module, name))
    try:
        code = app(words, prog_name="tilewright", standalone_mode=False)
    except typer.Abort:
        return 130
    except Exception as error:
        # Typer's own errors, from whichever module its version keeps them in.
        if not hasattr(error, "format_message"):
            raise
        message = " ".join(error.format_message().split())
        if message:
            print(f"tilewright: {message}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> None:
    print(f"tilewright: {message.strip()}", file=sys.stderr)
    sys.exit(code)
