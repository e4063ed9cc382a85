"""From a user's frame to the tensors that an exported model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from tabkd._tables.column import Column
from tabkd._tables.schema import TableSchema, as_frame, check_finite
from tabkd.scoring._arrow import check_names, is_arrow, of_pandas, to_array, without_arrow
from tabkd.scoring._lookup import CategoryRows
from tabkd.scoring._rows import Rows, missing_error, read_rows

_DTYPES = {"FLOAT": np.float32, "DOUBLE": np.float64, "STRING": object}


class Reader:
    """Read frames for one exported model.

    Parameters
    ----------
    facts : dict
        The metadata of the model.
    categories : list of (list, array)
        For each column of ``facts["rows"]`` its categories and the row of each, of an unseen and of a
        missing one.
    """

    def __init__(self, facts: dict[str, Any], categories: list[tuple[list, np.ndarray]]):
        levels = dict(zip(facts["rows"]["columns"], categories, strict=True))
        self._columns = facts["columns"]
        self.schema = TableSchema(
            tuple(_column(entry, levels.get(i, ((), None))[0]) for i, entry in enumerate(self._columns)),
            facts["container"],
        )
        self._index = pd.Index(self.schema.names)
        self._by_name = facts["container"] != "numpy"
        self._values = {i: k for k, i in enumerate(facts["values"]["columns"])}
        centers = np.array(facts["values"]["centers"])
        self.centers = centers if centers.any() else None
        self._rows: dict[int, tuple[int, CategoryRows]] = {
            i: (k, CategoryRows(self.schema.columns[i], row_of)) for k, (i, (_, row_of)) in enumerate(levels.items())
        }

    def matrix(self, X) -> np.ndarray:
        """A table of numeric columns as one matrix; what came as a matrix is not looked at."""
        if is_arrow(X) or isinstance(X, Rows):
            return self._all_numbers(self._aligned(X))
        values = self._plain_numbers(X)
        return self.schema.encode(without_arrow(self._aligned(X))) if values is None else values

    def _all_numbers(self, table) -> np.ndarray:
        """The columns of an Arrow table or of rows, all of them numbers, side by side."""
        arrays = [self._numbers(i, array) for i, array in enumerate(self._arrays(table))]
        for dtype in (np.float32, np.float64):
            out = np.empty((len(arrays[0]), len(arrays)), dtype)
            with np.errstate(over="ignore", invalid="ignore"):
                for k, array in enumerate(arrays):
                    out[:, k] = array
                # Those that are too large for float32 are not infinite, and centres are taken off in float64.
                if self.centers is None and (np.isfinite(out.sum()) or not np.isinf(out).any()):
                    break
        return out

    def tensors(self, X) -> tuple[np.ndarray, np.ndarray]:
        """What a cut graph is fed with: numbers, float32 or float64 (n, m), and rows, int64 (n, j)."""
        frame = self._aligned(X)
        if self.centers is None:
            with np.errstate(over="ignore", invalid="ignore"):
                numbers, rows = self._read(frame, np.float32)
                if np.isfinite(numbers.sum()) or not np.isinf(numbers).any():
                    return numbers, rows
        # Once more without rounding, to take off centres, or to tell the infinite from the large.
        return self._read(frame, np.float64)

    def _read(self, frame, dtype) -> tuple[np.ndarray, np.ndarray]:
        n_rows = frame.shape[0]
        numbers = np.empty((n_rows, len(self._values)), dtype)
        rows = np.empty((n_rows, len(self._rows)), np.int64)
        for i, array in enumerate(self._arrays(frame)):
            if i in self._values:
                numbers[:, self._values[i]] = self._numbers(i, array)
            elif i in self._rows:
                k, look_up = self._rows[i]
                rows[:, k] = look_up(array)
            else:
                self._check(i, array)
        return numbers, rows

    def n_rows(self, X) -> int:
        """How many rows a table has, once its columns are those of the model."""
        return self._aligned(X).shape[0]

    def extreme_rows(self) -> np.ndarray:
        """int64 (2, j): the least and the largest row of each column of categories."""
        return np.array([look_up.extremes for _, look_up in self._rows.values()], np.int64).reshape(-1, 2).T

    def nothing(self, n: int) -> dict[str, np.ndarray]:
        """So many rows, whatever is in them, for a graph that only counts them."""
        return {
            entry["input"]: np.full((n, 1), "" if entry["type"] == "STRING" else 0, _DTYPES[entry["type"]])
            for entry in self._columns
        }

    def _plain_numbers(self, X) -> np.ndarray | None:
        """The values of an array or a frame that needs no conversion, None for all others."""
        if isinstance(X, np.ndarray):
            fits = X.ndim == 2 and X.shape[1] == len(self._columns) and X.dtype.kind in "fiub"
            return X if fits else None
        if isinstance(X, pd.DataFrame):
            if self._by_name and not X.columns.equals(self._index):
                return None
            values = X.to_numpy()
            return values if values.dtype.kind in "fiub" and values.shape[1] == len(self._columns) else None
        return None

    def rows(self, X) -> Rows:
        """What `tabkd.scoring._rows` makes of a dict or of a list of dicts."""
        names = self.schema.names
        return read_rows(X, self.schema.columns, names if self._by_name else [f"x{name}" for name in names])

    def check_names(self, X) -> None:
        """Refuse a table without the columns of the model, whatever rows it has."""
        if isinstance(X, Rows):
            return
        if is_arrow(X):
            self._aligned(X)
        elif hasattr(X, "columns") and self._by_name:
            self._places(list(X.columns))
        else:
            self._check_width(X.shape[1])

    def _aligned(self, X):
        """A frame, a table of Arrow's or rows, with the columns of the model in their order; others are left out."""
        if isinstance(X, Rows):
            return X
        if is_arrow(X):
            return self._aligned_arrow(X)
        if isinstance(X, pd.DataFrame) and self._by_name and X.columns.equals(self._index):
            return X
        if self._by_name and hasattr(X, "columns"):
            places = self._places(list(X.columns))
            # Before it becomes one of pandas': what is left out may be of any type.
            X = X.iloc[:, places] if isinstance(X, pd.DataFrame) else X[:, places]
        frame, _ = as_frame(X)
        self._check_width(frame.shape[1])
        return frame if frame.columns.equals(self._index) else frame.set_axis(self._index, axis=1)

    def _aligned_arrow(self, table):
        check_names(table)
        if self._by_name:
            names = table.schema.names
            return table if names == self.schema.names else table.select(self._places(names))
        self._check_width(table.num_columns)
        return table

    def _places(self, names: list) -> list[int]:
        """Where the columns of the model stand among others.

        Raises
        ------
        ValueError
            One of them is missing.
        """
        # Names that are neither text nor whole numbers stand in the model as text, and in Arrow all do.
        place = {str(name): i for i, name in enumerate(names)} | {name: i for i, name in enumerate(names)}
        if missing := [name for name in self.schema.names if name not in place and str(name) not in place]:
            raise missing_error(missing)
        return [place[name] if name in place else place[str(name)] for name in self.schema.names]

    def _check_width(self, width: int) -> None:
        if width != len(self._columns):
            raise ValueError(
                f"X has {width} features, but this model is expecting {len(self._columns)} features as input."
            )

    def _arrays(self, table) -> Iterable:
        """The array of each column."""
        if isinstance(table, Rows):
            return table.arrays
        if is_arrow(table):
            return (
                to_array(table.column(i), column.kind == "numeric")
                if column.kind == "numeric" or i in self._rows
                else None  # of a column of categories that the model does not use
                for i, column in enumerate(self.schema.columns)
            )
        # Ten times faster than a Series for each; not public, hence the other way should pandas give it up.
        arrays: Callable | None = getattr(table, "_iter_column_arrays", None)
        found = arrays() if arrays is not None else (series.array for _, series in table.items())
        return (of_pandas(array, c.kind == "numeric") for array, c in zip(found, self.schema.columns, strict=True))

    def _numbers(self, i: int, array) -> np.ndarray:
        if isinstance(array, np.ndarray) and array.dtype.kind in "fiub":
            return array
        return self._encode(i, array)

    def _encode(self, i: int, array) -> np.ndarray:
        column = self.schema.columns[i]
        return TableSchema((column,), "pandas").encode(pd.DataFrame({column.name: array}))[:, 0]

    def check_column(self, i: int, column) -> None:
        """Refuse values of a column, one of Arrow's, that cannot be read."""
        array = to_array(column, self.schema.columns[i].kind == "numeric")
        if i in self._rows:
            self._rows[i][1](array)
        elif self.schema.columns[i].kind == "numeric":
            check_finite(self._numbers(i, array)[:, None], [self.schema.columns[i].name])

    def _check(self, i: int, array) -> None:
        """Refuse what does not belong into a column of numbers that the model does not use."""
        if self.schema.columns[i].kind == "numeric":
            check_finite(self._numbers(i, array)[:, None], [self.schema.columns[i].name])


def _column(entry: dict[str, Any], categories) -> Column:
    return Column(entry["name"], entry["kind"], entry["dtype"], categories=tuple(categories))
