"""Batches from a data set, shuffled so that a run can be resumed exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright import random
from tilewright.data.dataset import ArrayDataset, Batch
from tilewright.kernels import checks, devices, get_num_threads
from tilewright.kernels.gather import gatherer
from tilewright.kernels.upload import Upload, Uploader


class DataLoader:
    """Iterate over a data set in batches of arrays.

    The order of epoch k is a function of ``(seed, k)`` alone: a counter-based
    Philox generator is keyed with the seed and set to the epoch, so no epoch
    depends on how many random numbers anything else has drawn, and a loader
    restored by `load_state_dict` goes on exactly where it was.

    A shuffled batch is gathered while the one before it is in use, by threads of the
    pool that have nothing else to do: do not change the data set's arrays in the
    middle of a pass. Transforms run ahead in threads of the loader. What it hands out
    does not depend on how many there are.

    Parameters
    ----------
    dataset : ArrayDataset
        What to iterate over; at least one sample.
    batch_size : int, default 32
        Samples per batch; the last batch of an epoch may be smaller.
    shuffle : bool, default False
        Whether each epoch has an order of its own. Without it, and without a
        transform of the data set, batches are views into it (no copy).
    drop_last : bool, default False
        Leave out a last batch smaller than `batch_size`.
    seed : int, optional
        Seed of the shuffling and of the data set's transform, ``0 <= seed < 2**64``.
        By default one is drawn from the global generator, so ``tw.manual_seed``
        governs it; without shuffling it is 0.
    workers : int, optional
        Threads that prepare batches ahead, each one batch; 0 for none. By default one,
        if the data set's transform is made of steps of `data.augmentation` alone and
        kernels may use more than one thread. Functions of one's own are then called
        from other threads, and not always in the order of the batches.
    device : str, optional
        Where batches are handed out. On a GPU they are CuPy's arrays: each is copied
        from pinned memory, on a stream of its own, while the one before it is in
        use. By default they stay where they are, in NumPy's arrays.

    Attributes
    ----------
    epoch : int
        Number of completed passes; the next pass is shuffled by ``(seed, epoch)``.
    position : int
        Batches already handed out in the pass that is under way.

    Raises
    ------
    TypeError
        If `dataset` is not an `ArrayDataset`, or `batch_size` not an integer.
    ValueError
        If the data set is empty, `batch_size` is below 1, `drop_last` would leave
        no batch, `seed` or `workers` is out of range, or `device` names none.
    BackendUnavailableError
        If the device is not available here.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.data import ArrayDataset, DataLoader
    >>> dataset = ArrayDataset(np.arange(10, dtype=np.float32), np.arange(10))
    >>> loader = DataLoader(dataset, batch_size=4, shuffle=True, seed=0)
    >>> [len(x) for x, y in loader]
    [4, 4, 2]
    >>> len(loader), loader.epoch
    (3, 1)
    """

    def __init__(
        self,
        dataset: ArrayDataset,
        batch_size: int = 32,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int | None = None,
        workers: int | None = None,
        device: str | None = None,
    ) -> None:
        if not isinstance(dataset, ArrayDataset):
            raise TypeError(
                "DataLoader: dataset must be an ArrayDataset, got "
                f"{type(dataset).__name__}; wrap arrays as data.ArrayDataset(x, y)"
            )
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise TypeError(
                "DataLoader: batch_size must be an int, got "
                f"{type(batch_size).__name__}"
            )
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be >= 1, got {batch_size}")
        if len(dataset) == 0:
            raise ValueError(
                f"DataLoader: the data set is empty (x: {dataset.x.shape})"
            )
        if drop_last and len(dataset) < batch_size:
            raise ValueError(
                f"DataLoader: drop_last leaves no batch: {len(dataset)} samples, "
                f"batch_size {batch_size}"
            )
        if seed is None:
            # Unshuffled loaders must not advance the global generator.
            seed = int(random.generator().integers(2**63)) if shuffle else 0
        if not 0 <= seed < 2**64:
            raise ValueError(f"DataLoader: seed must be in [0, 2**64), got {seed}")
        if device is not None:
            device = devices.checked("DataLoader", device)
        self.device = device
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        if workers is not None:
            workers = checks.integer("DataLoader", "workers", workers, 0)
        self.seed = int(seed)
        self.workers = workers
        self.epoch = 0
        self.position = 0
        self._resume_at = 0

    def __len__(self) -> int:
        """Batches in one pass."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (1 if rest and not self.drop_last else 0)

    @property
    def samples(self) -> int:
        """Samples in one pass: all of them, unless `drop_last` leaves some out."""
        if self.drop_last:
            return len(self) * self.batch_size
        return len(self.dataset)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Row numbers of one epoch in the order they are visited.

        Parameters
        ----------
        epoch : int
            Epoch number, from 0.

        Returns
        -------
        ndarray of int64, shape (N,)
        """
        size = len(self.dataset)
        if not self.shuffle:
            return np.arange(size, dtype=np.int64)
        # The epoch fills the counter's highest word, so streams never overlap. Raw
        # words are sorted because NumPy may change `permutation` between versions,
        # and Philox not.
        bits = np.random.Philox(key=self.seed, counter=[0, 0, 0, epoch])
        words = bits.random_raw(size)
        order = np.argsort(words)
        in_order = words[order]
        if (in_order[1:] == in_order[:-1]).any():
            # Equal words are kept in place: the fast sort does not promise it.
            return np.argsort(words, kind="stable")
        return order

    def __iter__(self) -> Iterator[Batch]:
        """Go through the pass that is due, from `position` on.

        A loop that was left early starts its pass anew; only `load_state_dict`
        sets the loader to the middle of one.

        Yields
        ------
        x : ndarray, shape (B, ...)
        y : ndarray, shape (B, ...)
        """
        return self.on(self.device)

    def on(self, device: str | None) -> Iterator[Batch]:
        """Go through the pass that is due, with batches on a device.

        Parameters
        ----------
        device : str or None
            As for the class, in place of what was given there.

        Yields
        ------
        x : ndarray, shape (B, ...)
        y : ndarray, shape (B, ...)
        """
        first, self._resume_at = self._resume_at, 0
        workers = self.workers
        if workers is None:
            ahead = getattr(self.dataset.transform, "repeatable", False)
            workers = int(ahead and get_num_threads() > 1)
        if workers:
            batches = self._ahead(first, workers)
        elif self.shuffle:
            batches = self._shuffled(first)
        else:
            batches = self._in_order(first)
        if device not in (None, devices.CPU):
            batches = self._uploaded(batches, devices.checked("DataLoader", device))
        for position, batch in enumerate(batches, first + 1):
            self.position = position
            yield batch
        self.epoch += 1
        self.position = 0

    def _in_order(self, first: int) -> Iterator[Batch]:
        size = self.batch_size
        for start in range(first * size, len(self) * size, size):
            rows = slice(start, start + size)
            yield self.dataset.gather(rows, self.seed, self.epoch)

    def _shuffled(self, first: int) -> Iterator[Batch]:
        """Each batch is gathered while the one before it is in use."""
        order, size, dataset = self.order(self.epoch), self.batch_size, self.dataset
        gather = gatherer(dataset.arrays)
        last = len(self) - 1
        rows = order[first * size : (first + 1) * size]
        coming = gather.begin(rows)
        for batch in range(first + 1, last + 2):
            arrays, here = coming.finish(), rows
            if batch <= last:
                rows = order[batch * size : (batch + 1) * size]
                coming = gather.begin(rows)
            yield dataset.batch(arrays, here, self.seed, self.epoch)

    def _ahead(self, first: int, workers: int) -> Iterator[Batch]:
        """Each thread prepares a batch while the one before them is in use."""
        from concurrent.futures import Future, ThreadPoolExecutor

        order, size, dataset = self.order(self.epoch), self.batch_size, self.dataset
        seed, epoch = self.seed, self.epoch
        coming: deque[Future[Batch]] = deque()
        threads = ThreadPoolExecutor(workers, "tilewright-data")
        try:
            for batch in range(first, len(self)):
                rows = order[batch * size : (batch + 1) * size]
                coming.append(threads.submit(dataset.gather, rows, seed, epoch))
                if len(coming) > workers:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            # Also where the pass is left, or a transform has failed.
            threads.shutdown(wait=True, cancel_futures=True)

    def _uploaded(self, batches: Iterator[Batch], device: str) -> Iterator[Batch]:
        """Each batch is copied while the one before it is in use."""
        uploader = Uploader(device)
        coming: tuple[Upload, tuple[Any, Any]] | None = None
        try:
            for x, y in batches:
                before = coming
                coming = uploader.begin([*_members(x), *_members(y)]), (x, y)
                if before is not None:
                    yield _uploaded(*before)
            if coming is not None:
                yield _uploaded(*coming)
        finally:
            # The loop may be left with a copy under way: its memory is in use.
            if coming is not None:
                coming[0].finish()

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: plain numbers, ready for JSON."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "position": self.position,
            "batch_size": self.batch_size,
            "samples": len(self.dataset),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Parameters
        ----------
        state : dict
            From `state_dict` of a loader over the same data.

        Raises
        ------
        ValueError
            If the data set has another length, or the state lies inside an epoch
            and the batch size is another.
        """
        if state["samples"] != len(self.dataset):
            raise ValueError(
                f"DataLoader: the saved state is of {state['samples']} samples but "
                f"the data set has {len(self.dataset)}"
            )
        if state["position"] and state["batch_size"] != self.batch_size:
            raise ValueError(
                "DataLoader: the saved state lies inside an epoch of batch_size "
                f"{state['batch_size']}; cannot go on with {self.batch_size}"
            )
        self.seed = int(state["seed"])
        self.epoch = int(state["epoch"])
        self.position = self._resume_at = int(state["position"])


def _members(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _uploaded(upload: Upload, batch: tuple[Any, Any]) -> tuple[Any, Any]:
    """The arrays that were copied, in the form of their batch."""
    arrays = iter(upload.finish())
    x, y = (
        tuple([next(arrays) for _ in each]) if isinstance(each, tuple) else next(arrays)
        for each in batch
    )
    return x, y
