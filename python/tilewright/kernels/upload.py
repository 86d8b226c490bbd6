"""Batches on their way to a GPU, copied while it computes.

A copy from memory that the operating system may move is staged and waited for. So
batches are put into pinned memory first and copied from there on a stream of their
own; the stream that computes waits for the event of the copy, and the host for
nothing but a copy of two batches before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tilewright.kernels import devices
from tilewright.kernels.backends.protocol import Array

_ALIGNMENT = 256  # of arrays within a pinned buffer, as CuPy's pool has it


class Upload:
    """Arrays under way to a GPU."""

    def __init__(self, device: str, arrays: tuple[Array, ...], copied: Any) -> None:
        self._device = device
        self._arrays = arrays
        self._copied = copied

    def finish(self) -> tuple[Array, ...]:
        """Return the arrays; CuPy's current stream waits for them, Python does not."""
        with devices.on(self._device):
            devices.cupy().cuda.get_current_stream().wait_event(self._copied)
        return self._arrays


class Pinned:
    """Host memory that a GPU reads by itself, and the last copy out of it."""

    def __init__(self) -> None:
        self._memory: Any = None
        self._size = 0
        self.copied: Any = None

    def filled(self, arrays: Sequence[Array]) -> list[Array]:
        """Return the arrays in this memory, when its last copy is done."""
        if self.copied is not None:
            self.copied.synchronize()
        starts, size = [], 0
        for array in arrays:
            starts.append(size)
            size += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        if size > self._size:
            self._memory = devices.cupy().cuda.alloc_pinned_memory(size)
            self._size = size
        pinned = []
        for array, start in zip(arrays, starts, strict=True):
            raw = np.frombuffer(self._memory, np.uint8, array.nbytes, start)
            view = raw.view(array.dtype).reshape(array.shape)
            np.copyto(view, array)
            pinned.append(view)
        return pinned


class Uploader:
    """Copies batches to a GPU, each while those before it are in use.

    Parameters
    ----------
    device
        A checked name, such as ``"cuda:0"``.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        with devices.on(device):
            self._stream = devices.cupy().cuda.Stream(non_blocking=True)
        # One is filled while the other is copied.
        self._pinned = [Pinned(), Pinned()]

    def begin(self, arrays: Sequence[Array]) -> Upload:
        """Begin to copy NumPy arrays; they may change as soon as this returns."""
        cuda = devices.cupy().cuda
        self._pinned.reverse()
        pinned = self._pinned[0]
        sources = pinned.filled(arrays)
        with devices.on(self._device):
            # Their memory belongs to the stream that computes, to which it is given
            # back: it may hold what that stream still reads, so the copy comes after.
            targets = tuple(devices.cupy().empty(x.shape, x.dtype) for x in sources)
            self._stream.wait_event(cuda.get_current_stream().record())
            for target, source in zip(targets, sources, strict=True):
                if source.size:
                    target.set(source, stream=self._stream)
            pinned.copied = self._stream.record(cuda.Event(disable_timing=True))
        return Upload(self._device, targets, pinned.copied)
