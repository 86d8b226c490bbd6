"""Logs of a run: one row or line an epoch, as CSV or as JSON lines.

A log is written whole after each epoch, beside the old one and then in its place: it
never ends in half a line, and after a resumed run it is that of a run which was never
stopped.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tilewright.atomic import write_atomic
from tilewright.train.callbacks.callback import Callback

if TYPE_CHECKING:
    from tilewright.train.run import Run

Row = dict[str, Any]


class _LogFile(Callback):
    # After what may change the learning rate, and before what saves the rows.
    priority: ClassVar[int] = 5

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._rows: list[Row] = []
        self._lr = float("nan")
        self._resumed = False

    def on_fit_begin(self, run: Run) -> None:
        """Begin with the rows of the epochs that are done."""
        if not self._resumed:
            self._rows = []
        self._resumed = False
        self._write()

    def on_epoch_begin(self, run: Run) -> None:
        """Note the learning rate that the epoch begins with."""
        if not run.batch:  # and not in the rest of an epoch that was stopped
            self._lr = run.optimizer.lr

    def on_epoch_end(self, run: Run, values: dict[str, float]) -> None:
        """Add the epoch."""
        self._rows.append(
            {
                "epoch": run.epoch,
                **values,
                "lr": self._lr,
                "seconds": run.history.seconds[-1],
            }
        )
        self._write()

    def _write(self) -> None:
        write_atomic(self.path, self._text().encode())

    def _text(self) -> str:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, and the rate that the epoch began with."""
        return {"rows": list(self._rows), "lr": self._lr}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._rows, self._lr = list(state["rows"]), state["lr"]
        self._resumed = True


class CSVLog(_LogFile):
    """Writes a table with a row an epoch: numbers of the history, rate and seconds.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> import os, tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters()))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "log.csv")
    ...     _ = trainer.fit(
    ...         (np.ones((4, 2), np.float32), np.zeros(4, int)), verbose=False,
    ...         callbacks=[tw.train.CSVLog(name)])
    ...     print(Path(name).read_text().splitlines()[0])
    epoch,loss,accuracy,lr,seconds
    """

    def _text(self) -> str:
        # A name that is new after the first epoch has no value in the rows before.
        names: dict[str, None] = {}
        for row in self._rows:
            names.update(dict.fromkeys(row))
        last = [name for name in ("lr", "seconds") if name in names]
        columns = [name for name in names if name not in last] + last
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        if columns:
            writer.writeheader()
        writer.writerows(self._rows)
        return text.getvalue()


class JSONLog(_LogFile):
    """Writes a line of JSON an epoch: numbers of the history, rate and seconds.

    NaN and infinities, which JSON lacks, are null.

    Parameters
    ----------
    path : path

    Examples
    --------
    >>> import json, os, tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import tilewright as tw
    >>> model = tw.nn.Linear(2, 2)
    >>> trainer = tw.Trainer(model, tw.optim.SGD(model.parameters()))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "log.jsonl")
    ...     _ = trainer.fit(
    ...         (np.ones((4, 2), np.float32), np.zeros(4, int)), verbose=False,
    ...         callbacks=[tw.train.JSONLog(name)])
    ...     list(json.loads(Path(name).read_text()))
    ['epoch', 'loss', 'accuracy', 'lr', 'seconds']
    """

    def _text(self) -> str:
        return "".join(json.dumps(_plain(row)) + "\n" for row in self._rows)


def _plain(row: Row) -> Row:
    return {
        name: None if isinstance(v, float) and not math.isfinite(v) else v
        for name, v in row.items()
    }
