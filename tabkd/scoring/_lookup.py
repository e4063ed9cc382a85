"""Columns of a frame as an exported model reads them: numbers as float32, categories as row numbers.

`TableSchema.encode` decides what is right; what stands here is the same for the common types, and faster.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tabkd._tables.column import Column
from tabkd._tables.schema import TableSchema, check_finite
from tabkd.scoring._arrow import Dictionary

_LARGEST = float(np.finfo(np.float32).max)


class Numbers:
    """Blocks of numeric columns as the graph takes them; a block is in the processor's cache, a table is not.

    Parameters
    ----------
    names : list
        Of the columns of a block.
    positions : list of int, optional
        The columns that the graph takes; None for all.
    centers : array of shape (m,), optional
        What is taken off these in float64.
    filled : dict, optional
        "fill", what stands for a missing number in each of these columns, and "indicators", the columns of which it is
        told that one was missing. None leaves missing numbers to the graph.
    dtype : dtype, default=float32
        Of what the graph takes.
    """

    def __init__(self, names: list, positions=None, centers=None, filled: dict | None = None, dtype=np.float32):
        self._names, self._positions, self._centers, self._dtype = names, positions, centers, dtype
        self._fill = None if filled is None else np.array(filled["fill"], np.float32)
        self._indicators = filled["indicators"] if filled else []

    def __call__(self, block: np.ndarray, first_row: int = 0) -> np.ndarray:
        """The numbers of the rows of `block`; a number beyond float32 becomes its largest.

        Raises
        ------
        ValueError
            For infinite values, with the name of the column and the row, counted from `first_row`.
        """
        values = self._as_floats(block)
        if self._positions is not None:  # the others are looked at here
            check_finite(block, self._names, first_row)
        # Finite unless a number is infinite, missing or very large: one pass, and no array in between.
        if math.isfinite(np.vdot(values, values)):
            if not self._indicators:
                return values
            return np.hstack([values, np.zeros((len(values), len(self._indicators)), np.float32)])
        check_finite(block, self._names, first_row)
        values = np.clip(values, -_LARGEST, _LARGEST) if self._dtype == np.float32 else values
        if self._fill is None:
            return values
        missing = np.isnan(values)
        filled = np.where(missing, self._fill, values)
        return np.hstack([filled, missing[:, self._indicators].astype(np.float32)]) if self._indicators else filled

    def _as_floats(self, block: np.ndarray) -> np.ndarray:
        if block.dtype == self._dtype and self._positions is None and self._centers is None:
            return np.ascontiguousarray(block)
        values = block if self._positions is None else block[:, self._positions]
        with np.errstate(over="ignore", invalid="ignore"):
            if self._centers is not None:
                values = values - self._centers
            return np.ascontiguousarray(values, self._dtype)


class CategoryRows:
    """Look up the rows of one column's categories.

    Parameters
    ----------
    column : Column
        Its categories are those of the model.
    row_of : array of shape (n_categories + 2,)
        The row of each category, then that of an unseen one, then that of a missing one.
    """

    def __init__(self, column: Column, row_of: np.ndarray):
        self._column, self._row_of = column, np.asarray(row_of, dtype=np.int64)
        self._schema = TableSchema((column,), "pandas")
        self._table = (_NumberTable if column.numeric_categories else _TextTable)(column, self._row_of)
        self._known: tuple[pd.Index | None, np.ndarray] = (None, self._row_of)

    @property
    def extremes(self) -> tuple[int, int]:
        """The least and the largest row."""
        return int(self._row_of.min()), int(self._row_of.max())

    def __call__(self, values) -> np.ndarray:
        """int64 (n,): the rows of a column's values, an array of NumPy's or pandas' or a `Dictionary`."""
        if isinstance(values, Dictionary):
            return np.append(self._of_values(values.values), self._row_of[-1])[values.codes]
        if isinstance(values, pd.Categorical):
            return self._of_categories(values.categories)[values.codes]
        strings = isinstance(values.dtype, pd.StringDtype) or values.dtype.kind in "OU"
        if strings and not self._column.numeric_categories:
            try:
                objects = values if isinstance(values, np.ndarray) else values.to_numpy(dtype=object)
                return np.fromiter(map(self._table.__getitem__, objects), np.int64, len(objects))
            except _UnusualError:
                pass
        return self._rows(self._encode(values))

    def _of_values(self, values: list) -> np.ndarray:
        try:
            return np.fromiter(map(self._table.__getitem__, values), np.int64, len(values))
        except (_UnusualError, TypeError):  # or what has no hash
            return self._rows(self._encode(pd.Series(values)))

    def _of_categories(self, categories: pd.Index) -> np.ndarray:
        """The row of each of pandas' categories, then, for its code -1, that of a missing value."""
        known, rows = self._known
        if known is not categories:
            codes = self._encode(pd.Series(categories)) if len(categories) else np.empty(0)
            rows = np.append(self._rows(codes), self._row_of[-1])
            self._known = (categories, rows)
        return rows

    def _encode(self, values) -> np.ndarray:
        return self._schema.encode(pd.DataFrame({self._column.name: values}))[:, 0]

    def _rows(self, codes: np.ndarray) -> np.ndarray:
        return self._row_of[np.where(np.isnan(codes), len(self._row_of) - 1, codes).astype(np.int64)]


class _UnusualError(Exception):
    """A value that is neither of the type of the categories nor missing."""


class _Table(dict):
    """Category to row, with rows for what is not among the categories."""

    def __init__(self, column: Column, row_of: np.ndarray):
        super().__init__()
        self._unseen, self._missing = int(row_of[-2]), int(row_of[-1])
        if not column.numeric_categories:
            self.update(dict.fromkeys(column.missing_spellings, self._missing))
        self.update(zip(column.keys, row_of.tolist(), strict=False))

    def __missing__(self, value) -> int:
        if value is None or value is pd.NA or (isinstance(value, (float, np.floating)) and value != value):
            return self._missing
        return self._other(value)

    def _other(self, value) -> int:
        raise NotImplementedError


class _TextTable(_Table):
    def _other(self, value) -> int:
        if isinstance(value, str):
            return self._unseen
        raise _UnusualError


class _NumberTable(_Table):
    def _other(self, value) -> int:
        if isinstance(value, (float, np.floating)):
            return self._unseen
        if isinstance(value, (int, np.integer)) and abs(int(value)) < 2**53:  # beyond, rounding may make it one
            return self._unseen
        raise _UnusualError
