"""Tables: CSV and Parquet files, cleaned and made ready for a network with pandas."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tilewright.data.dataset import ArrayDataset
from tilewright.data.splitting import split_rows
from tilewright.extras import require

if TYPE_CHECKING:
    from pandas import DataFrame

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_PARQUET = (".parquet", ".pq")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def read_table(
    path: str | os.PathLike[str], columns: Sequence[str] | None = None
) -> DataFrame:
    r"""Read a CSV or Parquet file.

    Parameters
    ----------
    path : path
        ``.csv`` (commas), ``.tsv`` or ``.txt`` (tabs), packed or not (``.csv.gz``),
        or ``.parquet``.
    columns : sequence of str, optional
        The columns to read; all of them without it.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the ending is another one, the file is damaged, or a column is missing.
    ImportError
        If pandas, or pyarrow for Parquet, is not installed.

    Examples
    --------
    >>> import os, tempfile
    >>> from tilewright import data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "cars.csv")
    ...     with open(path, "w") as file:
    ...         _ = file.write("power,colour\n75,red\n90,blue\n")
    ...     data.read_table(path).shape
    (2, 2)
    """
    pandas = require("pandas", extra="pandas")
    file = Path(path)
    suffixes = [s.lower() for s in file.suffixes if s.lower() not in _PACKED]
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in _SEPARATORS and suffix not in _PARQUET:
        expected = ", ".join([*_SEPARATORS, *_PARQUET])
        raise ValueError(f"read_table: expected a file in {expected}, got {path}")
    if not file.is_file():
        raise FileNotFoundError(f"read_table: no such file: {path}")
    wanted = None if columns is None else list(columns)
    if suffix in _PARQUET:
        require("pyarrow", extra="pandas")
    try:
        if suffix in _PARQUET:
            return pandas.read_parquet(file, columns=wanted)
        return pandas.read_csv(file, sep=_SEPARATORS[suffix], usecols=wanted)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"read_table: {path}: {error}") from error


class Cleaned(NamedTuple):
    """Good rows of a table, and how many were not.

    Attributes
    ----------
    frame : pandas.DataFrame
        The rows that are left, with their index.
    removed : dict of str to int
        Rows removed, by reason, in the order in which the reasons were looked for.
    """

    frame: DataFrame
    removed: dict[str, int]


def clean(
    frame: DataFrame,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    *,
    missing: str = "drop",
    duplicates: str = "drop",
) -> Cleaned:
    """Remove the rows of a table from which nothing can be learned.

    Parameters
    ----------
    frame : pandas.DataFrame
        Is not changed.
    ranges : dict of str to (low, high), optional
        Columns of numbers and what their values may be; a missing value is in every
        range. Where a column should hold numbers, text in it is out of range.
    missing : {"drop", "keep"}, default "drop"
        What becomes of rows with a missing value. Infinite numbers are missing values.
    duplicates : {"drop", "keep"}, default "drop"
        What becomes of rows that are equal to an earlier one.

    Returns
    -------
    Cleaned

    Raises
    ------
    TypeError
        If `frame` is no DataFrame.
    ValueError
        If a column of `ranges` is not in the table, an option is unknown, or no row
        is left.
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from tilewright import data
    >>> frame = pd.DataFrame({"age": [31, None, 4000, 31], "name": list("abca")})
    >>> rows, removed = data.clean(frame, {"age": (0, 120)})
    >>> len(rows), removed
    (1, {'missing': 1, 'age out of [0, 120]': 1, 'duplicate': 1})
    """
    pandas = require("pandas", extra="pandas")
    _check_frame("clean", frame, pandas)
    for name, value in (("missing", missing), ("duplicates", duplicates)):
        if value not in ("drop", "keep"):
            raise ValueError(f"clean: {name} must be 'drop' or 'keep', got {value!r}")
    removed: dict[str, int] = {}
    numbers: dict[str, Any] = {}
    for name in ranges or ():
        _check_columns("clean", frame, [name])
        numbers[name] = pandas.to_numeric(frame[name], errors="coerce")
        # What is there but no number stays in place as text, out of every range.
        numbers[name] = numbers[name].mask(
            numbers[name].isna() & frame[name].notna(), np.inf
        )
    frame = frame.replace([np.inf, -np.inf], np.nan)
    if missing == "drop":
        bad = frame.isna().any(axis=1)
        removed["missing"] = int(bad.sum())
        frame = frame[~bad]
    for name, (low, high) in (ranges or {}).items():
        values = numbers[name].loc[frame.index]
        bad = values.notna() & ~values.between(low, high) & frame[name].notna()
        removed[f"{name} out of [{low}, {high}]"] = int(bad.sum())
        frame = frame[~bad]
    if duplicates == "drop":
        bad = frame.duplicated()
        removed["duplicate"] = int(bad.sum())
        frame = frame[~bad]
    if frame.empty:
        raise ValueError(f"clean: no row is left; removed: {removed}")
    frame = frame.copy()
    for name in ranges or ():
        frame[name] = pandas.to_numeric(frame[name])
    return Cleaned(frame, removed)


class PreparedTable(NamedTuple):
    """A table as training and test set, and how others are made like it.

    Attributes
    ----------
    train, test : ArrayDataset
        x (N, F) float32; y (N,) int64 class ids, or float32 (N, 1) for regression.
    features : list of str
        Names of the F inputs.
    classes : list or None
        The target's values by class id; None for regression.
    transformer : sklearn.compose.ColumnTransformer
        Fitted on the training part alone.
    """

    train: ArrayDataset
    test: ArrayDataset
    features: list[str]
    classes: list[Any] | None
    transformer: Any

    def transform(self, frame: DataFrame) -> NDArray[np.float32]:
        """Inputs of other rows, shape (N, F), as the network expects them.

        Raises
        ------
        ValueError
            If a column is missing.
        """
        return np.asarray(self.transformer.transform(frame), np.float32)


def prepare_table(
    frame: DataFrame,
    target: str,
    *,
    task: str = "classification",
    test_size: float = 0.2,
    seed: int = 0,
) -> PreparedTable:
    """Split a clean table and scale it by what the training part alone shows.

    Columns of numbers are brought to mean 0 and variance 1, others become one column
    for each of their values (scikit-learn's StandardScaler and OneHotEncoder). Missing
    values, where `clean` was told to keep them, become the median or the commonest
    value. All of it is fitted on the training part; a value that the training part
    does not have is all zeros in the test part.

    Parameters
    ----------
    frame : pandas.DataFrame
    target : str
        Column to be predicted.
    task : {"classification", "regression"}, default "classification"
        Classes have the same shares in both parts.
    test_size : float, default 0.2
        Share of the rows kept for the test, in ``(0, 1)``.
    seed : int, default 0
        Decides which rows.

    Returns
    -------
    PreparedTable

    Raises
    ------
    TypeError
        If `frame` is no DataFrame.
    ValueError
        If the target is not in the table or has missing values, the task is unknown,
        a class has fewer than two rows, or there is no other column.
    ImportError
        If pandas or scikit-learn is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from tilewright import data
    >>> frame = pd.DataFrame(
    ...     {"power": range(20), "fuel": ["gas", "diesel"] * 10, "sold": [0, 1] * 10})
    >>> table = data.prepare_table(frame, "sold")
    >>> table.train.x.shape, table.features
    ((16, 3), ['power', 'fuel_diesel', 'fuel_gas'])
    """
    pandas = require("pandas", extra="pandas")
    _check_frame("prepare_table", frame, pandas)
    _check_columns("prepare_table", frame, [target])
    if task not in ("classification", "regression"):
        raise ValueError(
            "prepare_table: task must be 'classification' or 'regression', got "
            f"{task!r}"
        )
    if frame[target].isna().any():
        raise ValueError(f"prepare_table: target {target!r} has missing values")
    inputs = frame.drop(columns=target)
    if not len(inputs.columns):
        raise ValueError(f"prepare_table: there is no column beside {target!r}")
    classes: list[Any] | None = None
    if task == "classification":
        values, y = np.unique(frame[target].to_numpy(), return_inverse=True)
        classes, y = values.tolist(), y.astype(np.int64)
        train, test = split_rows("prepare_table", len(y), test_size, y, seed)
    else:
        y = frame[target].to_numpy(np.float32)[:, None]
        train, test = split_rows("prepare_table", len(y), test_size, None, seed)
    transformer = _transformer(inputs)
    fitted = transformer.fit_transform(inputs.iloc[train])
    parts = [fitted, transformer.transform(inputs.iloc[test])]
    x_train, x_test = (np.asarray(part, np.float32) for part in parts)
    return PreparedTable(
        ArrayDataset(x_train, y[train]),
        ArrayDataset(x_test, y[test]),
        list(transformer.get_feature_names_out()),
        classes,
        transformer,
    )


def _transformer(inputs: DataFrame) -> Any:
    compose = require("sklearn.compose", extra="pandas")
    impute = require("sklearn.impute", extra="pandas")
    pipeline = require("sklearn.pipeline", extra="pandas")
    preprocessing = require("sklearn.preprocessing", extra="pandas")
    numbers = list(inputs.select_dtypes("number").columns)
    others = [name for name in inputs.columns if name not in numbers]
    return compose.ColumnTransformer(
        [
            (
                "numbers",
                pipeline.make_pipeline(
                    impute.SimpleImputer(strategy="median"),
                    preprocessing.StandardScaler(),
                ),
                numbers,
            ),
            (
                "others",
                pipeline.make_pipeline(
                    impute.SimpleImputer(strategy="most_frequent"),
                    preprocessing.OneHotEncoder(
                        handle_unknown="ignore", sparse_output=False
                    ),
                ),
                others,
            ),
        ],
        verbose_feature_names_out=False,
    )


def _check_frame(op: str, frame: Any, pandas: Any) -> None:
    if not isinstance(frame, pandas.DataFrame):
        raise TypeError(
            f"{op}: frame must be a pandas DataFrame, got {type(frame).__name__}"
        )


def _check_columns(op: str, frame: DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in frame.columns:
            known = ", ".join(map(str, frame.columns))
            raise ValueError(f"{op}: there is no column {name!r} among {known}")
