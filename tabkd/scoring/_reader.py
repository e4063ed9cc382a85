"""From a user's frame to the tensors that an exported model takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tabkd._tables.column import Column
from tabkd._tables.containers import is_pandas
from tabkd._tables.levels import Dictionary, Levels, Places
from tabkd._tables.values import as_numbers, check_finite
from tabkd.scoring._arrow_columns import check_names, is_arrow
from tabkd.scoring._columns import to_array
from tabkd.scoring._contributions import plain_values
from tabkd.scoring._plain_row import LookUp, PlainRow
from tabkd.scoring._rows import Rows, missing_error, read_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import DTypeLike

_DTYPES = {"FLOAT": np.float32, "DOUBLE": np.float64, "STRING": object}


class Reader:
    """Read frames for one exported model.

    Parameters
    ----------
    facts : dict
        The metadata of the model.
    categories : list of (list, array)
        For each column of ``facts["rows"]`` its categories, and the row of each category, of an unseen one and of a
        missing one.
    """

    def __init__(self, facts: dict[str, Any], categories: list[tuple[list, np.ndarray]]):
        levels = dict(zip(facts["rows"]["columns"], categories, strict=True))
        self._entries = facts["columns"]
        self._columns = [_column(entry, levels.get(i, ((), None))[0]) for i, entry in enumerate(self._entries)]
        self._names = [column.name for column in self._columns]
        self._by_name = facts["container"] != "numpy"
        self._keys = self._names if self._by_name else [f"x{name}" for name in self._names]
        self._values = {i: k for k, i in enumerate(facts["values"]["columns"])}
        centers = np.array(facts["values"]["centers"])
        self.centers = centers if centers.any() else None
        self._rows: dict[int, _CategoryRows] = {
            i: _CategoryRows(self._columns[i], row_of) for i, (_, row_of) in levels.items()
        }

    def matrix(self, X: Any) -> np.ndarray:
        """A table of numeric columns as one matrix; values that arrive as a matrix are not checked."""
        values = self._plain_numbers(X)
        return self._all_numbers(self._aligned(X)) if values is None else values

    def _all_numbers(self, table: Any) -> np.ndarray:
        """The columns of a table of numbers as one matrix."""
        arrays = [self._numbers(i, array) for i, array in enumerate(self._arrays(table))]
        for dtype in (np.float32, np.float64):
            out = np.empty((len(arrays[0]), len(arrays)), dtype)
            with np.errstate(over="ignore", invalid="ignore"):
                for k, array in enumerate(arrays):
                    out[:, k] = array
                # Numbers beyond float32 are not infinite, and centres are subtracted in float64: then try again.
                if self.centers is None and (np.isfinite(out.sum()) or not np.isinf(out).any()):
                    break
        return out

    def tensors(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """The inputs of a cut graph: numbers, float32 or float64 of shape (n, m), and rows, int64 of shape (n, j)."""
        frame = self._aligned(X)
        if self.centers is None:
            with np.errstate(over="ignore", invalid="ignore"):
                numbers, rows = self._read(frame, np.float32)
                if np.isfinite(numbers.sum()) or not np.isinf(numbers).any():
                    return numbers, rows
        # Again without rounding, to subtract centres, or to distinguish infinite numbers from large ones.
        return self._read(frame, np.float64)

    def _read(self, frame: Any, dtype: DTypeLike) -> tuple[np.ndarray, np.ndarray]:
        n_rows = frame.shape[0]
        numbers = np.empty((n_rows, len(self._values)), dtype)
        rows = np.empty((n_rows, len(self._rows)), np.int64)
        places = {i: k for k, i in enumerate(self._rows)}
        for i, array in enumerate(self._arrays(frame)):
            if i in self._values:
                numbers[:, self._values[i]] = self._numbers(i, array)
            elif i in self._rows:
                rows[:, places[i]] = self._rows[i](array)
            elif self._columns[i].kind == "numeric":  # the model does not use it, but it belongs to the table
                self._check_numbers(i, array)
        return numbers, rows

    def data(self, X: Any) -> np.ndarray:
        """The values of the model's columns, of shape (n, d)."""
        return plain_values(self._aligned(X))

    def n_rows(self, X: Any) -> int:
        """The number of rows of a table, whose columns are checked."""
        return self._aligned(X).shape[0]

    def extreme_rows(self) -> np.ndarray:
        """int64 of shape (2, j): the smallest and the largest row of each categorical column."""
        return np.array([look_up.extremes for look_up in self._rows.values()], np.int64).reshape(-1, 2).T

    def nothing(self, n: int) -> dict[str, np.ndarray]:
        """Inputs with this number of rows, for a graph that ignores their values."""
        return {
            entry["input"]: np.full((n, 1), "" if entry["type"] == "STRING" else 0, _DTYPES[entry["type"]])
            for entry in self._entries
        }

    def _plain_numbers(self, X: Any) -> np.ndarray | None:
        """The values of an array or a frame that needs no conversion; None for any other table."""
        if isinstance(X, np.ndarray):
            fits = X.ndim == 2 and X.shape[1] == len(self._columns) and X.dtype.kind in "fiub"
            return X if fits else None
        if is_pandas(X) and (not self._by_name or list(X.columns) == self._names):
            values = X.to_numpy()
            return values if values.dtype.kind in "fiub" and values.shape[1] == len(self._columns) else None
        return None

    def rows(self, X: Any) -> Rows:
        """A dict or a list of dicts, read by `tabkd.scoring._rows`."""
        return read_rows(X, self._columns, self._keys)

    def plain_row(self, as_matrix: bool) -> PlainRow:
        """The fast reader for a dict of plain values; `as_matrix` for a graph that takes all columns as one matrix."""
        numeric = [i for i, column in enumerate(self._columns) if column.kind == "numeric"]
        taken = numeric if as_matrix else list(self._values)
        return PlainRow(
            [self._keys[i] for i in taken],
            [LookUp(self._keys[i], *look_up.parts) for i, look_up in self._rows.items()],
            [self._keys[i] for i in numeric if i not in set(taken)],
            [self._keys[i] for i, column in enumerate(self._columns) if i not in numeric and i not in self._rows],
            exact=self.centers is not None,
        )

    def check_names(self, X: Any) -> None:
        """Refuse a table without the columns of the model; its rows are not checked."""
        if isinstance(X, Rows):
            return
        if is_arrow(X):
            self._aligned(X)
        elif hasattr(X, "columns") and self._by_name:
            self._places(list(X.columns))
        else:
            self._check_width(X.shape[1])

    def _aligned(self, X: Any) -> Any:
        """The table with the columns of the model only, in their order."""
        if isinstance(X, Rows):
            return X
        if is_arrow(X):
            return self._aligned_arrow(X)
        if self._by_name and hasattr(X, "columns"):
            names = list(X.columns)
            if names == self._names:
                return X
            places = self._places(names)
            return X.iloc[:, places] if is_pandas(X) else X[:, places]
        self._check_width(X.shape[1])
        return X

    def _aligned_arrow(self, table: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
        check_names(table)
        if self._by_name:
            names = table.schema.names
            return table if names == self._names else table.select(self._places(names))
        self._check_width(table.num_columns)
        return table

    def _places(self, names: list) -> list[int]:
        """The positions of the model's columns among the given names.

        Raises
        ------
        ValueError
            If a column is missing.
        """
        # The model stores names that are neither text nor whole numbers as text, and Arrow stores all of them so.
        place = {str(name): i for i, name in enumerate(names)} | {name: i for i, name in enumerate(names)}
        if missing := [name for name in self._names if name not in place and str(name) not in place]:
            raise missing_error(missing)
        return [place[name] if name in place else place[str(name)] for name in self._names]

    def _check_width(self, width: int) -> None:
        if width != len(self._columns):
            raise ValueError(
                f"X has {width} features, but this model is expecting {len(self._columns)} features as input."
            )

    def _arrays(self, table: Any) -> Iterable:
        """The array of each column; None for a categorical one that the model does not use."""
        if isinstance(table, Rows):
            return table.arrays
        if isinstance(table, np.ndarray):
            return table.T
        if is_pandas(table):
            from tabkd.scoring import _pandas as pandas

            return (self._array(i, array) for i, array in enumerate(pandas.arrays(table)))
        columns = table.columns if is_arrow(table) else table.get_columns()
        return (self._array(i, column) for i, column in enumerate(columns))

    def _array(self, i: int, array: Any) -> np.ndarray | Dictionary | None:
        """The values of a column of a table; None if it is categorical and the model does not use it."""
        column = self._columns[i]
        if column.kind != "numeric" and i not in self._rows:
            return None
        return to_array(array, column.kind == "numeric", column.name)

    def _numbers(self, i: int, array: np.ndarray) -> np.ndarray:
        return as_numbers(array, self._names[i])

    def check_column(self, i: int, column: pa.Array | pa.ChunkedArray) -> None:
        """Refuse values of an Arrow column that cannot be read."""
        array = self._array(i, column)
        if self._columns[i].kind == "numeric":
            self._check_numbers(i, array)
        elif array is not None:
            self._rows[i](array)

    def _check_numbers(self, i: int, array: Any) -> None:
        check_finite(self._numbers(i, array)[:, None], [self._names[i]])


class _CategoryRows:
    """Look up the rows of one column's categories.

    Parameters
    ----------
    column : Column
        The column, with the categories of the model.
    row_of : array of shape (n_categories + 2,)
        The row of each category, then that of an unseen one, then that of a missing one.
    """

    def __init__(self, column: Column, row_of: np.ndarray):
        self._levels, self._row_of = Levels(column), np.asarray(row_of, dtype=np.int64)

    @property
    def extremes(self) -> tuple[int, int]:
        """The smallest and the largest row."""
        return int(self._row_of.min()), int(self._row_of.max())

    @property
    def parts(self) -> tuple[Places, list[int]]:
        """The place of each value, and the row of each place."""
        return self._levels.places, self._row_of.tolist()

    def __call__(self, values: np.ndarray | Dictionary) -> np.ndarray:
        """The rows of a column's values, int64 of shape (n,)."""
        return self._row_of[self._levels(values)]


def _column(entry: dict[str, Any], categories: Iterable) -> Column:
    return Column(entry["name"], entry["kind"], entry["dtype"], categories=tuple(categories))
