"""Whether what is launched on a GPU is being captured in a CUDA graph.

Apart from :mod:`tilewright.kernels.capture`, which does it, for those who ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.errors import CaptureError

if TYPE_CHECKING:
    from tilewright.kernels.capture import Capture

current: Capture | None = None


def refuse(what: str) -> None:
    """Raise CaptureError where a graph is being captured, which cannot hold this."""
    if current is not None:
        raise CaptureError(f"{what} cannot be part of a CUDA graph")
