"""Rows in the forms that a service receives: a dict for one row, a list of dicts, a dict of columns."""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from tabkd._tables.column import Column
from tabkd._tables.levels import Dictionary
from tabkd._tables.values import as_float, is_missing
from tabkd.scoring._columns import to_array

# Types of single values, besides the missing ones.
_SINGLE = (str, bytes, numbers.Number, np.generic, datetime.date, datetime.time, datetime.timedelta)


class Rows:
    """The columns of a model, read from rows.

    Attributes
    ----------
    shape : tuple of int
        The numbers of rows and columns.
    arrays : list
        For each column a NumPy array or a `Dictionary`.
    """

    def __init__(self, arrays: list, n_rows: int):
        self.arrays, self.shape = arrays, (n_rows, len(arrays))


def are_rows(X: object) -> bool:
    """Whether `X` is a dict, a list of dicts, or an empty list."""
    if isinstance(X, (list, tuple)):
        return not X or isinstance(X[0], Mapping)
    return isinstance(X, Mapping)


def read_rows(X: Mapping | Sequence[Mapping], columns: Sequence[Column], names: Sequence) -> Rows:
    """The columns of a model in a dict or in a list of dicts; other keys are ignored.

    Parameters
    ----------
    X : mapping, or sequence of mappings
        Name to value for one row, name to values for columns of equal length, or a list of rows.
    columns : sequence of Column
        The columns of the model.
    names : sequence
        Their names; a number may be given as text, as in JSON.

    Raises
    ------
    ValueError
        If a column is missing in all rows or in some, a column of numbers has other values, or columns differ in
        length.
    TypeError
        If a row is not a dict.
    """
    if isinstance(X, Mapping):
        given = _known(X, names)
        if not any(map(_is_sequence, given)):
            return _from_lists([[value] for value in given], columns, names)
        return _from_columns(given, columns, names)
    return _from_lists(_transposed(X, names), columns, names)


def _known(row: Mapping, names: Sequence) -> list:
    """The values of a mapping in the order of the names."""
    try:
        return [row[name] for name in names]
    except KeyError:
        pass
    if missing := [name for name in names if name not in row and str(name) not in row]:
        raise missing_error(missing)
    return [row[name] if name in row else row[str(name)] for name in names]


def missing_error(missing: Sequence) -> ValueError:
    """The error for columns that a table does not have."""
    # The wording of scikit-learn.
    lines = ["The feature names should match those that were passed during fit."]
    lines += ["Feature names seen at fit time, yet now missing:", *(f"- {name}" for name in missing[:5])]
    lines += [f"and {len(missing) - 5} more"] if len(missing) > 5 else []
    lines += ["Give the table the columns that the model was fitted on, in any order; others are ignored."]
    return ValueError("\n".join(lines) + "\n")


def _transposed(rows: Iterable, names: Sequence) -> list[list]:
    """The values of each column."""
    found = []
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(f"Row {i} is of type {type(row).__name__}, but row 0 is a dict; give all rows as dicts.")
        try:
            found.append(_known(row, names))
        except ValueError:
            present = {str(key) for row in rows for key in row}
            if everywhere := [name for name in names if str(name) not in present]:
                raise missing_error(everywhere) from None
            lost = next(name for name in names if name not in row and str(name) not in row)
            raise ValueError(
                f"Row {i} has no key {lost!r}, which other rows have. Give it None where its value is missing."
            ) from None
    return [list(values) for values in zip(*found, strict=True)] if found else [[] for _ in names]


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, Mapping)) and np.ndim(value) > 0


def _from_columns(given: list, columns: Sequence[Column], names: Sequence) -> Rows:
    sizes = {name: len(values) if _is_sequence(values) else None for name, values in zip(names, given, strict=True)}
    first = next(iter(sizes))
    if other := [name for name, size in sizes.items() if size != sizes[first]]:
        shown = [
            f"{name!r} has {'one value' if sizes[name] is None else f'{sizes[name]} values'}"
            for name in (first, other[0])
        ]
        raise ValueError(
            f"Column {shown[0]}, but column {shown[1]}. Give all columns the same number of values, or one value each "
            "for a single row."
        )
    if all(type(values) in (list, tuple) for values in given):
        return _from_lists(given, columns, names)
    arrays: list[Any] = []
    for values, column, name in zip(given, columns, names, strict=True):
        if type(values) in (list, tuple):
            arrays.append(_array(values, column, name))
            continue
        array = to_array(values, column.kind == "numeric", name)
        if isinstance(array, np.ndarray) and array.ndim != 1:
            raise ValueError(f"Column {name!r} has {array.ndim} dimensions; give a list of its values.")
        arrays.append(array)
    return Rows(arrays, sizes[first] or 0)


def _from_lists(given: Sequence[Sequence], columns: Sequence[Column], names: Sequence) -> Rows:
    arrays = [_array(values, column, name) for values, column, name in zip(given, columns, names, strict=True)]
    return Rows(arrays, len(given[0]))


def _array(values: Sequence, column: Column, name: object) -> np.ndarray | Dictionary:
    if column.kind == "numeric":
        return _numbers(values, name)
    for row, value in enumerate(values):
        if not isinstance(value, _SINGLE) and not is_missing(value):
            raise ValueError(
                f"Column {name!r} holds {value!r:.60} ({type(value).__name__}) in row {row}, where one value is "
                "expected."
            )
    return Dictionary(list(values), np.arange(len(values)))


def _numbers(values: Sequence, name: object) -> np.ndarray:
    out = np.empty(len(values))
    for row, value in enumerate(values):
        if type(value) is float or type(value) is int:
            out[row] = as_float(value)
        elif is_missing(value):
            out[row] = math.nan
        elif isinstance(value, (numbers.Real, np.bool_, Decimal)):
            out[row] = as_float(value)
        else:
            remedy = "Convert it, for example with float(...)" if isinstance(value, str) else "Give a number"
            raise ValueError(
                f"Column {name!r} was numeric at fit, but holds {value!r:.60} ({type(value).__name__}) in row {row}. "
                f"{remedy}, or None where it is missing."
            )
    return out
