"""Streams, events, pinned memory, pools and graphs of CuPy's stand-in.

Nothing runs at the same time here. Instead each stream counts what was given to it
and notes how far it has waited for others, and whoever uses memory that another
stream has written, or overwrites what another still reads, is told so: a GPU would
sometimes have got it right. Copies from pinned memory are done as late as the
program allows, so that pinned memory that is filled again too early shows.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class OrderError(AssertionError):
    """What a GPU would have done wrong, at least at times."""


class Mark(NamedTuple):
    """A place in the order of a stream's work."""

    stream: Stream
    count: int


class World:
    """The state of the GPU, and what is counted of its use."""

    def __init__(self) -> None:
        self.null = Stream(self, null=True)
        self.streams = [self.null]
        self.device = 0
        # Of these the first, the common one, gives back what is let go of.
        self.pools: list[list[Memory] | None] = [None]
        self.synchronizations = 0
        self.faults: list[str] = []
        self.pinned: list[np.ndarray] = []
        self.log: list[str] = []  # what was asked of the GPU for a measurement

    @property
    def stream(self) -> Stream:
        return self.streams[-1]

    @property
    def graph(self) -> Graph | None:
        return self.stream.capturing

    def synchronize(self) -> None:
        """Count that the host waits; a stream that is captured cannot be waited for."""
        if self.graph is not None:
            raise RuntimeError(
                "cudaErrorStreamCaptureUnsupported: operation not permitted when "
                "stream is capturing"
            )
        self.synchronizations += 1

    def is_pinned(self, host: np.ndarray) -> bool:
        return any(np.may_share_memory(host, one) for one in self.pinned)

    def run(self, work: Callable[[], Any]) -> None:
        """Do something now, or note it in the graph that is captured."""
        if self.graph is not None:
            self.graph.nodes.append(work)
        else:
            self.stream.count += 1
            work()


class Stream:
    numbers = itertools.count(1)

    def __init__(
        self, world: World, null: bool = False, non_blocking: bool = False
    ) -> None:
        self.world = world
        self.ptr = 0 if null else next(self.numbers)
        self.count = 0
        self.known: dict[Stream, int] = {}
        self.copies: list[tuple[int, Memory]] = []
        self.capturing: Graph | None = None

    def __enter__(self) -> Stream:
        self.world.streams.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        assert self.world.streams.pop() is self

    def knows(self, mark: Mark | None) -> bool:
        if mark is None or mark.stream is self:
            return True
        return self.known.get(mark.stream, 0) >= mark.count

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.known = {**self.known, self: self.count}
        event.seconds, event.log = time.perf_counter(), self.world.log
        event.log.append("record")
        return event

    def wait_event(self, event: Event) -> None:
        for stream, count in event.known.items():
            self.known[stream] = max(self.known.get(stream, 0), count)

    def synchronize(self) -> None:
        self.world.synchronize()
        self.finish(self.count)

    def finish(self, count: int) -> None:
        """Do the copies that are due by now at the latest."""
        for when, memory in self.copies:
            if when <= count:
                memory.arrive()
        self.copies = [pair for pair in self.copies if pair[0] > count]

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self.capturing = Graph(self.world)

    def end_capture(self) -> Graph:
        graph, self.capturing = self.capturing, None
        assert graph is not None
        return graph


class Event:
    """A place in the order of streams; also a moment on the host, which computes."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.known: dict[Stream, int] = {}
        self.log: list[str] = []
        self.seconds = 0.0

    def record(self, stream: Stream) -> None:
        stream.record(self)

    def synchronize(self) -> None:
        self.log.append("synchronize")
        for stream, count in self.known.items():
            stream.finish(count)


class Memory:
    """What several arrays lie in, and who has used it last."""

    def __init__(self, world: World, host: np.ndarray) -> None:
        self.world = world
        self.host = host
        self.device = world.device
        self.allocated = Mark(world.stream, world.stream.count)
        self.written: Mark | None = None
        self.reads: dict[Stream, int] = {}
        self.copy: Callable[[], None] | None = None
        pool = world.pools[-1]
        # What a graph's own pool has goes with the graph, which CUDA waits for.
        self.given_back = pool is None
        if pool is not None:
            pool.append(self)
        elif world.graph is not None:
            world.faults.append("memory of a graph comes from the common pool")

    def arrive(self) -> None:
        """Do the copy that is under way."""
        if self.copy is not None:
            copy, self.copy = self.copy, None
            copy()

    def use(self, *, write: bool) -> None:
        """Note a use by the current stream, which must have waited for others."""
        world = self.world
        if self.device != world.device:
            raise OrderError(
                f"an array on device {self.device} is used on device {world.device}"
            )
        if world.graph is not None:
            world.graph.memories.append(self)
            return
        stream = world.stream
        if not (stream.knows(self.allocated) and stream.knows(self.written)):
            raise OrderError(
                "an array is used before the event of its copy is waited for"
            )
        reads = [Mark(each, count) for each, count in self.reads.items()]
        if write and not all(map(stream.knows, reads)):
            raise OrderError("an array is overwritten while another stream reads it")
        self.arrive()
        if write:
            self.written, self.reads = Mark(stream, stream.count + 1), {}
        else:
            self.reads[stream] = stream.count + 1

    def __del__(self) -> None:
        if not self.given_back:
            return
        owner = self.allocated.stream
        uses = [Mark(each, count) for each, count in self.reads.items()]
        uses += [] if self.written is None else [self.written]
        if self.copy is not None or not all(map(owner.knows, uses)):
            self.world.faults.append("memory is freed while another stream uses it")


class MemoryPool:
    """A pool of one's own keeps its memory as long as it lives."""

    def __init__(self) -> None:
        self.blocks: list[Memory] = []

    def malloc(self, size: int) -> Any:
        raise NotImplementedError


class using_allocator:  # noqa: N801
    def __init__(self, world: World, malloc: Any) -> None:
        self.world, self.pool = world, malloc.__self__

    def __enter__(self) -> None:
        self.world.pools.append(self.pool.blocks)

    def __exit__(self, *error: Any) -> None:
        self.world.pools.pop()


class Graph:
    """What was captured: nodes in their order, and the memory that they use."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.nodes: list[Callable[[], Any]] = []
        self.memories: list[Memory] = []
        self.launches = 0

    def launch(self, stream: Stream | None = None) -> None:
        with stream or self.world.stream:
            for memory in self.memories:
                memory.use(write=True)
            self.launches += 1
            self.world.stream.count += 1
            for node in self.nodes:
                node()


class Device:
    """A number, and a ``with`` block in which it is the current device."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.id = world, number
        self.before: list[int] = []

    def __enter__(self) -> Device:
        self.before.append(self.world.device)
        self.world.device = self.id
        return self

    def __exit__(self, *error: Any) -> None:
        self.world.device = self.before.pop()
