"""The categories of a column, looked up: from each value to the number of its category."""

from __future__ import annotations

import numbers
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tabkd._tables.column import Column, code_with_zeros
from tabkd._tables.values import are_all, as_float, as_objects, is_missing

if TYPE_CHECKING:
    import pandas as pd

# What Python would read as a number and others would not, such as 1_000, is none.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# Whole numbers below it are floats exactly.
_EXACT = 2**53


class Dictionary(NamedTuple):
    """A column by its distinct values, each of which is then looked at once and not once a row.

    Attributes
    ----------
    values : sequence or pandas.Index
        They may repeat, and None may be one of them.
    codes : array of int of shape (n,)
        The position of each row's value; -1 where it is missing.
    """

    values: Any
    codes: np.ndarray


class Levels:
    """Look up the categories of one column.

    Parameters
    ----------
    column : Column

    Examples
    --------
    >>> from tabkd._tables.column import Column
    >>> Levels(Column("shop", "categorical", object, categories=("toys", "books")))(["books", "food", None])
    array([1, 2, 3])
    """

    def __init__(self, column: Column):
        self._column, self._n = column, len(column.categories)
        self._places = (_NumberPlaces if column.numeric_categories else _TextPlaces)(column)
        self._known: tuple[Sequence | pd.Index | None, np.ndarray] = (None, np.empty(0, np.int64))

    def __call__(self, values: np.ndarray | Dictionary | Sequence | pd.Index) -> np.ndarray:
        """int64 (n,): for each value its category, counted from 0, then that for unseen ones, then for missing ones.

        Raises
        ------
        ValueError
            For values of another type than the categories.
        """
        if isinstance(values, Dictionary):
            return self._of_dictionary(values.values)[values.codes]
        if isinstance(values, np.ndarray):
            # Objects of Python have the same hash as those of NumPy, and are much faster to look up.
            values = as_objects(values) if values.dtype.kind in "mM" else values.tolist()
        try:
            return np.fromiter(map(self._places.__getitem__, values), np.int64, len(values))
        except (_UnusualError, TypeError):  # or what has no hash
            return self._unusual(list(values))

    def _of_dictionary(self, values: Sequence | pd.Index) -> np.ndarray:
        """The place of each of the distinct values, then, for the code -1, that of a missing value."""
        known, places = self._known
        if known is not values:
            places = np.append(self(values), self._n + 1)
            # Lists may change, and belong to one table; an index of pandas is that of all its tables.
            self._known = (None if isinstance(values, list) else values, places)
        return places

    def _unusual(self, values: list) -> np.ndarray:
        """The places of values that are not all of the type of the categories."""
        given = [value for value in values if not is_missing(value)]
        _check_zeros(given, self._column)
        places = [self._places.of_any(value) for value in given]
        if given and all(place == self._n for place in places):
            _check_comparable(given[0], self._column)
        out = np.full(len(values), self._n + 1, np.int64)
        out[[not is_missing(value) for value in values]] = places
        return out


class _UnusualError(Exception):
    """A value that is neither of the type of the categories nor missing."""


class _Places(dict):
    """Category to place, and what is not among the categories to the places behind them."""

    def __init__(self, column: Column):
        self._unseen, self._missing = len(column.categories), len(column.categories) + 1
        super().__init__(zip(column.keys, range(len(column.categories)), strict=True))

    def __missing__(self, value: object) -> int:
        if self._is_usual(value):
            return self._unseen
        if is_missing(value):
            return self._missing
        raise _UnusualError

    def _is_usual(self, value: object) -> bool:
        """Whether a value that is not among the categories is of their type."""
        raise NotImplementedError

    def of_any(self, value: Any) -> int:
        """The place of a value of any type, read as the graph of the model would read it."""
        raise NotImplementedError


class _TextPlaces(_Places):
    def __init__(self, column: Column):
        super().__init__(column)
        self.update(dict.fromkeys(column.missing_spellings, self._missing))

    def _is_usual(self, value: object) -> bool:
        return isinstance(value, str)

    def of_any(self, value: Any) -> int:
        return self[str(value)]


class _NumberPlaces(_Places):
    def _is_usual(self, value: object) -> bool:
        if isinstance(value, (float, np.floating)):
            return value == value
        return isinstance(value, (int, np.integer)) and abs(int(value)) < _EXACT

    def of_any(self, value: Any) -> int:
        if isinstance(value, str):
            is_number = _NUMBER.fullmatch(value.strip()) is not None
        else:
            is_number = isinstance(value, (numbers.Real, np.bool_, Decimal))
        return self.get(as_float(value), self._unseen) if is_number else self._unseen


def _check_zeros(given: list, column: Column) -> None:
    """Refuse whole numbers where categories have zeros in front, as in 01234, which numbers have lost."""
    code = code_with_zeros(column.categories)
    if code is None or not are_all("integer", given):
        return
    raise ValueError(
        f"Column {column.name!r} had categories such as {code!r} at fit, but holds whole numbers such as "
        f"{given[0]} now, which have lost the zeros in front. Give the column as text, as it was at fit."
    )


def _check_comparable(example: object, column: Column) -> None:
    """Refuse a column none of whose values could ever be one of the categories: a wrong type, not new levels."""
    if not column.categories or isinstance(example, str) == isinstance(column.categories[0], str):
        return
    raise ValueError(
        f"Column {column.name!r} had categories such as {column.categories[0]!r} at fit, but holds "
        f"{example!r:.60} ({type(example).__name__}) now. Give it the same type as at fit."
    )
