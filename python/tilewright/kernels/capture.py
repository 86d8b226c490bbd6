"""Kernels of a GPU captured in a CUDA graph, to run again as one launch.

What a graph is made of is fixed when it is captured: kernels, addresses, numbers. The
numbers that differ from step to step (what dropout draws, an optimizer's rate and
step) are therefore in the GPU's memory while one is captured, and each run puts its
own there first. Memory that is made meanwhile comes from a pool that the graph keeps.

References: CUDA C++ Programming Guide, "CUDA Graphs".
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from tilewright import random
from tilewright.errors import CaptureError
from tilewright.kernels import capturing, devices
from tilewright.kernels.backends.protocol import Array
from tilewright.kernels.upload import Pinned

# Bytes for the numbers of one kernel, and how many kernels of a graph may have some.
_PLACE = 64
_MOST_PLACES = 1024


class Capture:
    """One graph: its capture, and its runs.

    Parameters
    ----------
    device
        A checked name, such as ``"cuda:0"``.

    Attributes
    ----------
    checks : list of callable
        Each returns why the graph does not hold any more, or None.
    before_run, after_run : list of callable
        Called around each run but the first, which is that of the captured call.
    undo : list of callable
        Called where the capture fails.
    """

    def __init__(self, device: str) -> None:
        cupy = devices.cupy()
        self.device = device
        self.checks: list[Callable[[], str | None]] = []
        self.before_run: list[Callable[[], None]] = []
        self.after_run: list[Callable[[], None]] = []
        self.undo: list[Callable[[], None]] = []
        self._pool = cupy.cuda.MemoryPool()
        self._graph: Any = None
        self._used = 0
        self._host = np.zeros(_PLACE * _MOST_PLACES, np.uint8)
        self._pinned = [Pinned(), Pinned()]
        # Dropout draws one pair of numbers for both directions.
        self._draws: dict[tuple[int, int], tuple[int, list[int]]] = {}
        # Of each kernel that moves parameters its calls: places, and the options
        # that stay; and the function that makes the numbers of the others.
        self._steps: dict[str, list[tuple[int, tuple[Any, ...]]]] = {}
        self._coefficients: dict[str, Callable[..., bytes]] = {}
        with devices.on(device):
            self._numbers: Array = cupy.empty(self._host.shape, np.uint8)

    def record(self, function: Callable[[], Any]) -> Any:
        """Capture what a function launches, none of which runs; return its result.

        Raises
        ------
        CaptureError
            If another graph is being captured, or CUDA cannot capture something,
            such as waiting for the GPU. `undo` has then been done.
        """
        if capturing.current is not None:
            raise CaptureError("another graph is being captured")
        numbers = random.get_state()
        capturing.current = self
        try:
            return self._recorded(function)
        except BaseException as error:
            random.set_state(numbers)
            for undo in reversed(self.undo):
                undo()
            if isinstance(error, RuntimeError):  # CUDA's errors are such, by CuPy
                raise CaptureError(str(error)) from error
            raise
        finally:
            capturing.current = None

    def _recorded(self, function: Callable[[], Any]) -> Any:
        cuda = devices.cupy().cuda
        with devices.on(self.device):
            stream = cuda.Stream(non_blocking=True)
            with cuda.using_allocator(self._pool.malloc), stream:
                stream.begin_capture()
                try:
                    result = function()
                except BaseException:
                    # The end of a capture that broke is an error, too: not the one.
                    with contextlib.suppress(RuntimeError):
                        stream.end_capture()
                    raise
                self._graph = stream.end_capture()
        return result

    # The numbers that change.

    def _place(self, numbers: bytes) -> tuple[int, Array]:
        if self._used == _MOST_PLACES:
            raise CaptureError(
                f"a graph may have {_MOST_PLACES} kernels whose numbers change"
            )
        index = self._used
        self._used += 1
        self._write(index, numbers)
        return index, self._numbers[index * _PLACE : (index + 1) * _PLACE]

    def _write(self, index: int, numbers: bytes) -> None:
        begin = index * _PLACE
        self._host[begin : begin + len(numbers)] = np.frombuffer(numbers, np.uint8)

    def dropout_key(self, size: int, seed: int, offset: int) -> Array:
        """Return where dropout finds its numbers, of which each run draws its own."""
        index, place = self._place(struct.pack("=QQ", seed, offset))
        self._draws.setdefault((seed, offset), (size, []))[1].append(index)
        return place

    def step_coefficients(
        self,
        kernel: str,
        make: Callable[..., bytes],
        free: tuple[Any, ...],
        fixed: tuple[Any, ...],
    ) -> Array:
        """Return where a kernel that moves parameters finds its numbers.

        Parameters
        ----------
        kernel
            Its name.
        make
            From `free` and `fixed` to the bytes that it reads.
        free
            What :meth:`set_adam`, :meth:`set_sgd` and the like give anew.
        fixed
            What stays.
        """
        index, place = self._place(make(*free, *fixed))
        self._steps.setdefault(kernel, []).append((index, fixed))
        self._coefficients[kernel] = make
        return place

    def calls(self, kernel: str) -> int:
        """Return how often a kernel that moves parameters has been called so far."""
        return len(self._steps.get(kernel, ()))

    def _set(self, kernel: str, call: int, free: tuple[Any, ...]) -> None:
        index, fixed = self._steps[kernel][call]
        self._write(index, self._coefficients[kernel](*free, *fixed))

    def set_adam(
        self,
        index: int,
        step: int,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
    ) -> None:
        """Set the numbers of a call of ``adam_step`` for the next run."""
        self._set("adam_step", index, (step, lr, beta1, beta2, eps, weight_decay))

    def set_sgd(
        self, index: int, lr: float, momentum: float, weight_decay: float
    ) -> None:
        """Set the numbers of a call of ``sgd_step`` for the next run."""
        self._set("sgd_step", index, (lr, momentum, weight_decay))

    def set_rmsprop(
        self,
        index: int,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
    ) -> None:
        """Set the numbers of a call of ``rmsprop_step`` for the next run."""
        self._set("rmsprop_step", index, (lr, alpha, eps, weight_decay, momentum))

    def set_adagrad(
        self, index: int, lr: float, eps: float, weight_decay: float
    ) -> None:
        """Set the numbers of a call of ``adagrad_step`` for the next run."""
        self._set("adagrad_step", index, (lr, eps, weight_decay))

    # Running it.

    def stale(self) -> str | None:
        """Return why the graph does not hold any more, or None if it does."""
        for check in self.checks:
            if (problem := check()) is not None:
                return problem
        return None

    def run(self, *, first: bool = False) -> None:
        """Launch the graph on CuPy's current stream, with the numbers of this run.

        Parameters
        ----------
        first
            Whether it is the run of the captured call, which has prepared all.
        """
        if not first:
            for size, places in self._draws.values():
                numbers = struct.pack("=QQ", *random.dropout_key(size))
                for index in places:
                    self._write(index, numbers)
            for prepare in self.before_run:
                prepare()
        with devices.on(self.device):
            if self._used:
                used = slice(0, self._used * _PLACE)
                self._pinned.reverse()
                (source,) = self._pinned[0].filled([self._host[used]])
                target: Any = self._numbers[used]
                target.set(source)
                stream = devices.cupy().cuda.get_current_stream()
                self._pinned[0].copied = stream.record()
            self._graph.launch()
        if not first:
            for finish in self.after_run:
                finish()
