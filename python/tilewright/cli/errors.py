"""Errors of the user's making, shown as one line without a traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tilewright.errors import TilewrightError


class UserError(TilewrightError):
    """Something the user gave cannot be used; the message is all that is shown."""


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Show errors inside the block as the user's.

    It goes around the steps that use paths and options, and not around the whole
    command: an error of ours keeps its traceback.

    Raises
    ------
    UserError
        In place of a ValueError, an OSError or an error of tilewright's own.

    Examples
    --------
    >>> from tilewright.cli.errors import user_errors
    >>> with user_errors():
    ...     open("/no/such/file")
    Traceback (most recent call last):
    tilewright.cli.errors.UserError: /no/such/file: No such file or directory
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None and error.strerror is not None:
            raise UserError(f"{error.filename}: {error.strerror}") from error
        raise UserError(str(error)) from error
    except (ValueError, TilewrightError) as error:
        raise UserError(str(error)) from error
