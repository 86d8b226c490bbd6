"""Ctrl-C as a request to stop after the step that is under way."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class StopRequest:
    """Whether the user has asked the run to end."""

    def __init__(self) -> None:
        self.requested = False


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C inside the block into a flag, so no step is torn.

    A KeyboardInterrupt can fall between the updates of two parameters; the flag is
    looked at between steps, where weights, optimizer and loader agree. The second
    Ctrl-C raises as usual. A program that handles the signal itself, and a thread
    other than the main one, are left as they are.

    Yields
    ------
    StopRequest

    Examples
    --------
    >>> import signal
    >>> from tilewright.train.interrupt import stop_on_interrupt
    >>> with stop_on_interrupt() as stop:
    ...     signal.raise_signal(signal.SIGINT)
    ...     stop.requested
    True
    """
    stop = StopRequest()
    previous = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or previous is not signal.default_int_handler:
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
