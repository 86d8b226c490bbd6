"""Steps in a row, each with random numbers of its own for each sample."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tilewright.data.dataset import Array, Batch, Visit
from tilewright.philox import philox, uniform


class Draws:
    """The random numbers of one step for the samples of a batch.

    Parameters
    ----------
    augmentation : Augmentation
    number : int
        Of the step in it.
    visit : Visit

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright.data import ArrayDataset, Augmentation
    >>> from tilewright.data.augmentation import Draws
    >>> from tilewright.data.dataset import Visit
    >>> data = ArrayDataset(np.zeros(9), np.zeros(9))
    >>> one = Draws(Augmentation(), 0, Visit(data, np.array([7, 2]), 0, 3)).uniform()
    >>> two = Draws(Augmentation(), 0, Visit(data, np.array([2]), 0, 3)).uniform()
    >>> one.shape, bool((one[1] == two[0]).all())
    ((2, 4), True)
    """

    def __init__(self, augmentation: Augmentation, number: int, visit: Visit) -> None:
        self._augmentation = augmentation
        self._number = number
        self._visit = visit

    @property
    def samples(self) -> int:
        """Samples in the whole data set."""
        return len(self._visit.dataset)

    def uniform(self, turn: int = 0) -> NDArray[np.float64]:
        """Four numbers in ``[0, 1)`` for each sample of the batch.

        Parameters
        ----------
        turn : int, default 0
            In ``[0, 2**16)``; another turn gives other numbers.

        Returns
        -------
        ndarray, shape (B, 4)
        """
        visit = self._visit
        # The row fills the counter's lower half; epoch, step and turn share the upper.
        high = (visit.epoch << 32 | self._number << 16 | turn) % 2**64
        return uniform(philox(visit.seed, visit.rows.astype(np.uint64), high))

    def others(self, rows: NDArray[np.int64]) -> Batch:
        """Other samples of the data set, through the steps before this one.

        Parameters
        ----------
        rows : ndarray of int64, shape (B,)
        """
        visit = self._visit._replace(rows=rows)
        x, y = visit.dataset.x.take(rows, axis=0), visit.dataset.y.take(rows, axis=0)
        return self._augmentation.run(x, y, visit, self._number)


class Step(Protocol):
    """What an `Augmentation` is made of."""

    def __call__(self, x: Array, y: Array, draws: Draws) -> Batch:
        """Change a batch, without writing into its arrays.

        Parameters
        ----------
        x : ndarray, shape (B, H, W, C)
        y : ndarray, shape (B, ...)
        draws : Draws

        Returns
        -------
        x, y : ndarray
        """


class Augmentation:
    """Steps that change each batch of a data set, one after the other.

    Parameters
    ----------
    *steps : Step
        From `data.augmentation`, or functions like them.

    Raises
    ------
    TypeError
        If a step cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> from tilewright import data
    >>> from tilewright.data import augmentation
    >>> images = data.ArrayDataset(
    ...     np.ones((6, 8, 8, 1), np.float32),
    ...     np.arange(6),
    ...     data.Augmentation(augmentation.RandomFlip(), augmentation.Cutout(3)),
    ... )
    >>> x, y = next(iter(data.DataLoader(images, 4, shuffle=True, seed=0)))
    >>> x.shape, bool(x.sum() < 4 * 64)
    ((4, 8, 8, 1), True)
    """

    def __init__(self, *steps: Step) -> None:
        for number, step in enumerate(steps):
            if not callable(step):
                raise TypeError(
                    f"Augmentation: step {number} must be callable, got "
                    f"{type(step).__name__}"
                )
            if isinstance(step, type):
                raise TypeError(
                    f"Augmentation: step {number} is the class {step.__name__}; write "
                    f"{step.__name__}(...)"
                )
        self.steps = steps

    @property
    def repeatable(self) -> bool:
        """Whether a batch depends on its draws alone, as with all steps of ours.

        It may then be made at any time, in any thread.
        """
        return all(
            type(step).__module__.startswith("tilewright.data.") for step in self.steps
        )

    def __call__(self, x: Array, y: Array, visit: Visit) -> Batch:
        """Run all steps; see `run`."""
        return self.run(x, y, visit, len(self.steps))

    def run(self, x: Array, y: Array, visit: Visit, count: int) -> Batch:
        """Run the first steps.

        Parameters
        ----------
        x : ndarray, shape (B, ...)
        y : ndarray, shape (B, ...)
        visit : Visit
        count : int
            How many steps.

        Returns
        -------
        x, y : ndarray
        """
        for number, step in enumerate(self.steps[:count]):
            x, y = step(x, y, Draws(self, number, visit))
        return x, y

    def __repr__(self) -> str:
        return f"Augmentation({', '.join(map(repr, self.steps))})"
