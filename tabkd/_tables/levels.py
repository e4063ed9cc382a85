"""Look up the category of each value of a column."""

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

# Text that only Python would parse as a number, such as 1_000, is not one.
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# Whole numbers below this one are exact as floats.
_EXACT = 2**53


class Dictionary(NamedTuple):
    """A column as its distinct values, so that each is looked up once and not once for each row.

    Attributes
    ----------
    values : sequence or pandas.Index
        The values that occur; they may repeat, and may include None.
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
        The column, with its categories.

    Attributes
    ----------
    places : Places
        The place of each category, and of each value that has the type of the categories or is missing.

    Examples
    --------
    >>> from tabkd._tables.column import Column
    >>> Levels(Column("shop", "categorical", object, categories=("toys", "books")))(["books", "food", None])
    array([1, 2, 3])
    """

    def __init__(self, column: Column):
        self._column, self._n = column, len(column.categories)
        self.places = (_NumberPlaces if column.numeric_categories else _TextPlaces)(column)
        self._known: tuple[Sequence | pd.Index | None, np.ndarray] = (None, np.empty(0, np.int64))

    def __call__(self, values: np.ndarray | Dictionary | Sequence | pd.Index) -> np.ndarray:
        """The position of each value's category, int64 of shape (n,); n_categories if unseen, one more if missing.

        Raises
        ------
        ValueError
            For values of another type than the categories.
        """
        if isinstance(values, Dictionary):
            return self._of_dictionary(values.values)[values.codes]
        if isinstance(values, np.ndarray):
            # Python's objects have the same hash as NumPy's, and are much faster to look up.
            values = as_objects(values) if values.dtype.kind in "mM" else values.tolist()
        try:
            return np.fromiter(map(self.places.__getitem__, values), np.int64, len(values))
        except (UnusualError, TypeError):  # the latter for a value without a hash
            return self._unusual(list(values))

    def _of_dictionary(self, values: Sequence | pd.Index) -> np.ndarray:
        """The place of each distinct value, and at the end, where the code -1 points, that of a missing value."""
        known, places = self._known
        if known is not values:
            places = np.append(self(values), self._n + 1)
            # A list belongs to one table and may change; a pandas index is shared by many tables.
            self._known = (None if isinstance(values, list) else values, places)
        return places

    def _unusual(self, values: list) -> np.ndarray:
        """The places of values, some of which have another type than the categories."""
        given = [value for value in values if not is_missing(value)]
        _check_zeros(given, self._column)
        places = [self.places.of_any(value) for value in given]
        if given and all(place == self._n for place in places):
            _check_comparable(given[0], self._column)
        out = np.full(len(values), self._n + 1, np.int64)
        out[[not is_missing(value) for value in values]] = places
        return out


class UnusualError(Exception):
    """A value that is neither of the type of the categories nor missing."""


class Places(dict):
    """The place of each category; all other values have the places after these.

    Raises
    ------
    UnusualError
        For a value of another type than the categories.
    """

    def __init__(self, column: Column):
        self._unseen, self._missing = len(column.categories), len(column.categories) + 1
        super().__init__(zip(column.keys, range(len(column.categories)), strict=True))

    def __missing__(self, value: object) -> int:
        if self._is_usual(value):
            return self._unseen
        if is_missing(value):
            return self._missing
        raise UnusualError

    def _is_usual(self, value: object) -> bool:
        """Whether a value that is not a category has the type of the categories."""
        raise NotImplementedError

    def of_any(self, value: Any) -> int:
        """The place of a value of any type, which is read like in the graph of the model."""
        raise NotImplementedError


class _TextPlaces(Places):
    def __init__(self, column: Column):
        super().__init__(column)
        self.update(dict.fromkeys(column.missing_spellings, self._missing))

    def _is_usual(self, value: object) -> bool:
        return isinstance(value, str)

    def of_any(self, value: Any) -> int:
        return self[str(value)]


class _NumberPlaces(Places):
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
    """Refuse whole numbers if categories have leading zeros, such as 01234: the numbers have lost them."""
    code = code_with_zeros(column.categories)
    if code is None or not are_all("integer", given):
        return
    raise ValueError(
        f"Column {column.name!r} had categories such as {code!r} at fit, but holds whole numbers such as "
        f"{given[0]} now, which have lost the leading zeros. Give the column as text, as it was at fit."
    )


def _check_comparable(example: object, column: Column) -> None:
    """Refuse a column of another type than the categories, whose values are therefore all unseen."""
    if not column.categories or isinstance(example, str) == isinstance(column.categories[0], str):
        return
    raise ValueError(
        f"Column {column.name!r} had categories such as {column.categories[0]!r} at fit, but holds "
        f"{example!r:.60} ({type(example).__name__}) now. Give it the same type as at fit."
    )
