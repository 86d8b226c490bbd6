"""Whether operations are recorded: a switch per thread and per task."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

# A context variable and not a global: one thread may evaluate while another trains.
_recording: ContextVar[bool] = ContextVar("tilewright_recording", default=True)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside the block, so that results need no gradient.

    Also a decorator, ``@no_grad()``. It holds for the running thread (or asyncio
    task) only; a new thread records.

    Examples
    --------
    >>> import tilewright as tw
    >>> x = tw.tensor([1.0], requires_grad=True)
    >>> with tw.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread.

    Examples
    --------
    >>> from tilewright.autograd import is_grad_enabled, no_grad
    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """
    return _recording.get()
