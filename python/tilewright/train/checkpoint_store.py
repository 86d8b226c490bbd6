"""A folder with the latest checkpoints of a run, and the best one."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

from tilewright.kernels import checks
from tilewright.train.checkpoint import CHECKPOINT_NAME, load_tree, save_tree

_BEST_NAME = "best.safetensors"


class CheckpointStore:
    """The latest few checkpoints, of which an earlier one serves for a damaged one.

    Parameters
    ----------
    folder : path
        Made where it is missing.
    keep : int, default 2
        How many of the latest are kept.

    Raises
    ------
    ValueError
        If `keep` is below 1.

    Examples
    --------
    >>> import os, tempfile
    >>> from tilewright.train.checkpoint_store import CheckpointStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = CheckpointStore(folder)
    ...     for step in range(3):
    ...         store.save({"step": step})
    ...     store.load(), sorted(os.listdir(folder))
    ({'step': 2}, ['checkpoint-1.safetensors', 'checkpoint.safetensors'])
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int = 2) -> None:
        self.folder = Path(folder)
        self.keep = checks.integer("Checkpoint", "keep", keep, 1)

    def path(self, age: int) -> Path:
        """File of the latest checkpoint (0), of the one before it (1), and so on."""
        if not age:
            return self.folder / CHECKPOINT_NAME
        stem, dot, suffix = CHECKPOINT_NAME.rpartition(".")
        return self.folder / f"{stem}-{age}{dot}{suffix}"

    @property
    def best(self) -> Path:
        """File of the best checkpoint."""
        return self.folder / _BEST_NAME

    def save(self, tree: dict[str, Any]) -> None:
        """Write the latest checkpoint; see `save_tree` for the errors.

        If it cannot be written, those that are there stay as they are.

        Parameters
        ----------
        tree : dict
        """
        save_tree(self.path(0), tree, before_replacing=self._make_room)

    def save_best(self, tree: dict[str, Any]) -> None:
        """Write the best checkpoint; see `save_tree` for the errors.

        Parameters
        ----------
        tree : dict
        """
        save_tree(self.best, tree)

    def _make_room(self) -> None:
        """Make each checkpoint one older; the new one is on the disk already."""
        for age in range(self.keep - 1, 1, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path(age - 1), self.path(age))
        if self.keep > 1 and self.path(0).exists():
            # By a second name, so that at no moment the latest one is missing.
            spare = self.folder / f"{CHECKPOINT_NAME}.link.part"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(spare)
            try:
                os.link(self.path(0), spare)
            except OSError:  # a file system without links
                os.replace(self.path(0), self.path(1))
            else:
                os.replace(spare, self.path(1))

    def load(self) -> dict[str, Any]:
        """Read the latest checkpoint that is whole.

        Returns
        -------
        dict

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If all are damaged.

        Warns
        -----
        RuntimeWarning
            If the latest is damaged and an earlier one is taken.
        """
        problems = []
        for age in range(self._oldest() + 1):
            try:
                tree = load_tree(self.path(age))
            except FileNotFoundError:
                continue
            except ValueError as error:
                problems.append(str(error))
                continue
            if problems:
                warnings.warn(
                    f"{'; '.join(problems)}; going on from {self.path(age)}",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return tree
        if problems:
            raise ValueError("; ".join(problems))
        raise FileNotFoundError(f"no such file: {self.path(0)}")

    def _oldest(self) -> int:
        """Age of the oldest checkpoint there is, also where more were kept once."""
        stem, _, suffix = CHECKPOINT_NAME.rpartition(".")
        ages = [0]
        for path in self.folder.glob(f"{stem}-*.{suffix}"):
            age = path.name[len(stem) + 1 : -len(suffix) - 1]
            if age.isdecimal():
                ages.append(int(age))
        return max(ages)

    def sweep(self) -> None:
        """Remove what runs that were killed have left half-written."""
        for name in (CHECKPOINT_NAME, _BEST_NAME):
            for path in self.folder.glob(f"{name}*.part"):
                with contextlib.suppress(OSError):
                    path.unlink()
