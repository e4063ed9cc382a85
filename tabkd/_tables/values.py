"""The kind of a column's values, and their conversion to numbers, for NumPy arrays and Python objects of any origin.

Training and scoring read values by the same rules. Scoring works without pandas unless a pandas frame is given, so
nothing here imports pandas; its own missing values can only occur after it was imported.
"""

from __future__ import annotations

import datetime
import math
import numbers
import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from tabkd._tables.column import Kind

_FLOATS = (float, np.floating)
# Classes in the order in which they are tried, because True is an int and a datetime is a date.
_FAMILIES: dict[str, tuple[type, ...]] = {
    "boolean": (bool, np.bool_),
    "timedelta": (datetime.timedelta, np.timedelta64),
    "integer": (int, np.integer),
    "floating": _FLOATS,
    "decimal": (Decimal,),
    "text": (str,),
    "datetime": (datetime.date, np.datetime64),
    "time": (datetime.time,),
}
_NUMBERS = ({"integer", "floating"}, {"boolean"}, {"decimal"})
_REMEDIES = {
    "datetime": "drop it, or convert it to a number, for example `X[c].dt.dayofweek`, `X[c].dt.hour` or "
    "`(X[c] - pd.Timestamp('2026-01-01')).dt.total_seconds()`",
    "time": "convert it to a number, for example its hour: `X[c].map(lambda t: t.hour)`",
    "timedelta": "convert it to a number: `X[c].dt.total_seconds()`",
    "complex": "split it into its real and its imaginary part",
    "mixed": "make the column all numbers or all strings, for example with `pd.to_numeric(X[c], errors='coerce')`, "
    "which makes anything else missing, or with `X[c].astype(str)`, which makes it a category",
}
# Largest number of values whose types an error lists.
_MOST_LISTED = 10_000


def as_objects(values: np.ndarray) -> np.ndarray:
    """The values as an array of Python objects; dates and durations become objects of `datetime`."""
    if values.dtype.kind in "mM":
        values = values.astype(f"{values.dtype.kind}8[us]")
    return values.astype(object)


def is_missing(value: object) -> bool:
    """Whether a value is None, NaN, or NA or NaT of pandas.

    Examples
    --------
    >>> [is_missing(value) for value in (None, float("nan"), "", 0)]
    [True, True, False, False]
    """
    if value is None:
        return True
    if isinstance(value, (*_FLOATS, np.datetime64, np.timedelta64)):
        return bool(value != value)
    return value.is_nan() if isinstance(value, Decimal) else _is_of_pandas(value)


def _is_of_pandas(value: object) -> bool:
    """Whether a value is one of pandas' own missing values."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def kind_of(values: np.ndarray, name: object, dtype: object = None) -> Kind:
    """Whether the values of a column are numbers or categories.

    Parameters
    ----------
    values : array of shape (n,)
        The values.
    name : object
        The name of the column, for errors.
    dtype : object, optional
        The dtype of the user's column, for errors; by default that of the array.

    Raises
    ------
    TypeError, ValueError
        For values that are neither numbers nor text; the message names the column and a remedy.

    Examples
    --------
    >>> import numpy as np
    >>> kind_of(np.array([1, None, 2.5], dtype=object), "amount"), kind_of(np.array(["a"]), "shop")
    ('numeric', 'categorical')
    """
    if values.dtype.kind in "fiub":
        return "numeric"
    if values.dtype.kind == "c":
        raise unfit(values, name, "complex", dtype)
    if values.dtype.kind == "U":
        return "categorical"
    objects = as_objects(values)
    found = _families(objects)
    if found == {"text"}:
        return "categorical"
    if any(found <= family for family in _NUMBERS):
        return "numeric"
    what = found.pop() if len(found) == 1 else "mixed"
    raise unfit(objects, name, what if what in _REMEDIES else "mixed", values.dtype if dtype is None else dtype)


def are_all(family: Literal["integer", "boolean"], values: Iterable) -> bool:
    """Whether all values are of a family or missing, and some are not missing."""
    return _families(values) == {family}


def _families(values: Iterable) -> set[str]:
    """The families of the values that are not missing."""
    values = list(values)
    found = {_family(kind) for kind in set(map(type, values))} - {""}
    for family in ("floating", "decimal"):  # NaN may occur among values of any type
        if family in found and len(found) > 1:
            kinds = _FAMILIES[family]
            if all(is_missing(value) for value in values if isinstance(value, kinds)):
                found.remove(family)
    return found


def _family(kind: type) -> str:
    """The family of values of a type; empty for types of missing values."""
    if kind in (type(None), *_missing_types()):
        return ""
    found = next((family for family, kinds in _FAMILIES.items() if issubclass(kind, kinds)), "other")
    return "datetime" if kind.__name__ == "Period" else found


def _missing_types() -> tuple[type, ...]:
    pandas = sys.modules.get("pandas")
    return () if pandas is None else (type(pandas.NA), type(pandas.NaT))


def unfit(values: np.ndarray, name: object, what: str, dtype: object = None) -> Exception:
    """The error for a column that holds neither numbers nor categories.

    Parameters
    ----------
    values : array of shape (n,)
        The values.
    name : object
        The name of the column.
    what : {"datetime", "time", "timedelta", "complex", "mixed"}
        The family of the values, which chooses the remedy.
    dtype : object, optional
        The dtype of the user's column; by default that of the array.
    """
    dtype = values.dtype if dtype is None else dtype
    given = [value for value in values.tolist() if not is_missing(value)]
    example = f", for example {given[0]!r:.60}" if given else ""
    if what == "mixed":
        row = next((row for row, value in enumerate(values) if isinstance(value, str)), None)
        if row is not None:
            example = f", for example {values[row]!r:.60} in row {row:,}"
        kinds = sorted({type(value).__name__ for value in given[:_MOST_LISTED]})
        example = f" with values of type {', '.join(kinds)}{example}"
        # The error of scikit-learn for the same mistake, so that its readers recognise it.
        if not all(isinstance(value, (str, numbers.Number)) for value in given[:_MOST_LISTED]):
            return TypeError(
                f"Column {name!r} has dtype {dtype}{example}: argument must be a string or a number; {_REMEDIES[what]}."
            )
    return ValueError(
        f"Column {name!r} has dtype {dtype}{example}, but a column must hold numbers, booleans, "
        f"strings or categories; {_REMEDIES[what]}."
    )


def as_numbers(values: np.ndarray, name: object, dtype: object = None) -> np.ndarray:
    """The values of a column that was numeric at fit, with a numeric NumPy dtype; NaN if missing.

    Parameters
    ----------
    values, name, dtype
        Like those of `kind_of`.

    Raises
    ------
    TypeError, ValueError
        For values that are not numbers; the message names the column and a remedy.

    Examples
    --------
    >>> import numpy as np
    >>> as_numbers(np.array([1, None, True], dtype=object), "amount")
    Traceback (most recent call last):
    ...
    ValueError: Column 'amount' has dtype object with values of type bool, int, ...
    >>> as_numbers(np.array([1, None, 2.5], dtype=object), "amount")
    array([1. , nan, 2.5])
    """
    if values.dtype.kind in "fiub":
        return values
    if kind_of(values, name, dtype) != "numeric":
        raise not_numeric(values, name, dtype)
    try:
        return values.astype(np.float64)  # NumPy converts None to NaN
    except (TypeError, OverflowError):  # other missing values, or a whole number beyond float64
        return np.fromiter((math.nan if is_missing(v) else as_float(v) for v in values), np.float64, len(values))


def not_numeric(values: np.ndarray, name: object, dtype: object = None) -> ValueError:
    """The error for a column of categories that was numeric at fit."""
    example = next((value for value in values.tolist() if not is_missing(value)), None)
    return ValueError(
        f"Column {name!r} was numeric at fit, but has dtype {values.dtype if dtype is None else dtype} now"
        + ("" if example is None else f", for example {example!r:.60}")
        + ". Convert it to numbers, for example with pandas.to_numeric."
    )


def as_float(value: Any) -> float:
    """A number as a float; one beyond float64 becomes infinite, which is refused later with the row."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def check_finite(values: np.ndarray, names: list, first_row: int = 0) -> None:
    """Refuse infinite values, and name the first one's column and row, counted from `first_row`; NaN is accepted."""
    # A sum is one pass with no copy, and it is finite unless something is wrong or missing.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise ValueError(
            f"Column {names[column]!r} contains infinity or a value too large (row {first_row + row}: "
            f"{values[row, column]}). Replace it by a finite number, or by NaN for a missing value."
        )
