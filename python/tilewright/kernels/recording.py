"""Recording the C++ kernels that a piece of code calls, to run them as one call.

Between :func:`start` and :func:`finish` (or :func:`cancel`) each kernel of the
calling thread is run and recorded. What is not a kernel is not: see
:mod:`tilewright.autograd.watch`. The arrays that kernels made get places in one
arena, where those whose lives do not overlap share memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tilewright.kernels import dispatch
from tilewright.kernels.backends.protocol import Array

if TYPE_CHECKING:
    from tilewright._cpu import Replay as Replay


def possible() -> bool:
    """Return whether float32 arrays go to kernels that can be recorded."""
    chosen = dispatch.chosen()
    return chosen in ("cpu", dispatch.AUTO) and (
        dispatch.unavailable_reason("cpu") is None
    )


def start() -> None:
    """Record what this thread's kernels do from now on."""
    from tilewright import _cpu

    _cpu.program_start()


def cancel() -> None:
    """Throw the recording away."""
    from tilewright import _cpu

    _cpu.program_stop()


def finish(
    inputs: Sequence[Array], known: Sequence[Array], kept: Sequence[Array]
) -> Replay | str:
    """End the recording.

    Parameters
    ----------
    inputs
        Arrays that each run names anew, of the same shapes and dtypes.
    known
        Arrays that were there before and stay where they are.
    kept
        Arrays that kernels made and that are looked at between runs; the replay's
        ``kept`` are their successors.

    Returns
    -------
    The replay; or, where kernels used other arrays than these, why there is none.
    """
    from tilewright import _cpu

    result: Replay | str = _cpu.program_finish(list(inputs), list(known), list(kept))
    return result
