"""Batches from whatever can be iterated over: generators, other libraries' loaders."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Convert = Callable[[Any], tuple[Any, Any]]


class BatchStream:
    """Batches that come from somewhere else.

    Parameters
    ----------
    source : iterable
        Of batches ``(x, y)``: a generator, or something that can be iterated over
        again and again, such as a list or another library's loader.
    steps : int, optional
        Batches in one pass. The next pass goes on where this one has ended, and a
        source that is at its end begins again if it can. By default a pass is all
        that the source has.
    convert : callable, optional
        From what the source gives to ``(x, y)``; by default that is a pair of arrays.

    Attributes
    ----------
    epoch : int
        Number of completed passes.
    position : int
        Batches already handed out in the pass that is under way.

    Raises
    ------
    TypeError
        If the source cannot be iterated over.
    ValueError
        If `steps` is below 1; in a pass, if the source has no batch left.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.data import BatchStream
    >>> def batches():
    ...     while True:
    ...         yield np.ones((4, 2), np.float32), np.zeros(4, int)
    >>> stream = BatchStream(batches(), steps=3)
    >>> len(stream), sum(len(x) for x, y in stream)
    (3, 12)
    """

    def __init__(
        self,
        source: Iterable[Any],
        steps: int | None = None,
        convert: Convert | None = None,
    ) -> None:
        if not hasattr(source, "__iter__"):
            raise TypeError(
                "BatchStream: source must be something to iterate over, got "
                f"{type(source).__name__}"
            )
        if steps is not None and steps < 1:
            raise ValueError(f"BatchStream: steps must be >= 1, got {steps}")
        self.source = source
        self.steps = steps
        self.epoch = 0
        self.position = 0
        self._convert = convert
        self._going: Iterator[Any] | None = None

    def __len__(self) -> int:
        """Batches in one pass.

        Raises
        ------
        TypeError
            If that is not known.
        """
        return self.steps if self.steps is not None else len(self.source)  # type: ignore[arg-type]

    def _pass(self) -> Iterator[Any]:
        if self.steps is None:
            yield from self.source
            return
        for _ in range(self.steps):
            if self._going is None:
                self._going = iter(self.source)
            batch = next(self._going, self)
            if batch is self and self.source is not self._going:
                self._going = iter(self.source)
                batch = next(self._going, self)
            if batch is self:
                warnings.warn(
                    f"the source has ended after {self.position} of {self.steps} "
                    "batches",
                    stacklevel=4,
                )
                return
            yield batch

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Go through one pass.

        Yields
        ------
        x, y : ndarray, shape (B, ...), or tuples of ndarrays
        """
        self.position = 0
        for batch in self._pass():
            self.position += 1
            if self._convert is not None:
                yield self._convert(batch)
            else:
                x, y = batch
                yield x, y
        if not self.position:
            raise ValueError(
                "BatchStream: there is no batch left; a generator can be gone through "
                "once, so give steps, or something that can be iterated over again"
            )
        self.epoch += 1
        self.position = 0

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is: plain numbers, ready for JSON."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken, between two passes.

        Parameters
        ----------
        state : dict

        Raises
        ------
        ValueError
            If it lies inside a pass: what a source would give there is not known.
        """
        if state["position"]:
            raise ValueError(
                "BatchStream: the saved state lies inside an epoch, which a stream "
                "cannot go back to"
            )
        self.epoch = int(state["epoch"])
