"""One column of a pandas frame: learning it, encoding it, and decoding its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tabkd._tables.column import Column, without_value
from tabkd._tables.levels import Levels
from tabkd._tables.pandas_values import array_of, categories_of, kind_of_array, numbers_of
from tabkd._tables.values import are_all

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray


def learn_column(frame: pd.DataFrame, position: int) -> Column:
    """The description of a frame's column, with its categories and its range.

    Raises
    ------
    TypeError, ValueError
        For values that are neither numbers nor text, with the name of the column and a remedy.
    """
    name, series = frame.columns[position], frame.iloc[:, position]
    array = array_of(series)
    kind = kind_of_array(array, name)
    missing = bool(series.isna().any())
    if kind == "numeric":
        values = numbers_of(array, name).astype(np.float64)
        boolean = _is_boolean(series)
        integer = boolean or pd.api.types.is_integer_dtype(series.dtype)
        sign = _missing_sign(series)
        return Column(name, kind, series.dtype, bool(integer), (), *_range(values), missing, boolean, sign)
    column = Column(name, kind, series.dtype, False, _categories(series), has_missing=missing)
    if len(set(column.keys)) < len(column.keys):
        raise ValueError(
            f"Column {name!r} has categories that read the same as text: {column.categories[:10]}. "
            "Use strings, or numbers, but not both."
        )
    if column.numeric_categories and not np.isfinite(column.keys).all():
        raise ValueError(f"Column {name!r} has a category that is infinite; replace it by a finite number or a string.")
    low, high = _range(encode_column(series, column))
    sign = _missing_sign(series)
    return Column(name, kind, series.dtype, False, column.categories, low, high, missing, missing=sign)


def _is_boolean(series: pd.Series) -> bool:
    return are_all("boolean", series) if series.dtype == object else pd.api.types.is_bool_dtype(series.dtype)


def _range(values: np.ndarray) -> tuple[float, float]:
    seen = values[~np.isnan(values)]
    return (float(seen.min()), float(seen.max())) if len(seen) else (np.nan, np.nan)


def _missing_sign(series: pd.Series) -> object:
    """The user's sign for a missing value in a column of objects; None for other dtypes."""
    if series.dtype != object:
        return None
    missing = series[series.isna()]
    sign = missing.iloc[0] if len(missing) else None
    return np.nan if isinstance(sign, float) else sign


def _categories(series: pd.Series) -> tuple:
    if isinstance(series.dtype, pd.CategoricalDtype):
        return tuple(series.dtype.categories.tolist())
    return tuple(sorted(map(str, series.dropna().unique())))


def encode_column(series: pd.Series, column: Column) -> np.ndarray:
    """The codes of values of a column, float64 of shape (n,).

    Raises
    ------
    ValueError
        For values of another kind than at fit.
    """
    if column.kind == "numeric":
        return numbers_of(array_of(series), column.name).astype(np.float64)
    places = Levels(column)(categories_of(array_of(series)))
    return np.where(places > len(column.categories), np.nan, places)


def decode_column(codes: np.ndarray, column: Column) -> np.ndarray | ExtensionArray:
    """The values as an array with the dtype of the column."""
    missing = without_value(codes, column)
    if column.kind == "categorical":
        if isinstance(column.dtype, pd.CategoricalDtype):
            return pd.Categorical.from_codes(np.where(missing, -1, codes).astype(np.int64), dtype=column.dtype)
        levels = np.array([*column.categories, column.missing], dtype=object)
        values = levels[np.where(missing, len(column.categories), codes).astype(np.int64)]
        return pd.array(values, dtype=column.dtype) if column.dtype != object else values
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return as_dtype(codes, dtype)
    if isinstance(dtype, np.dtype):  # objects
        values = codes.astype(bool if column.boolean else np.float64).astype(object)
        values[missing] = column.missing
        return values
    nullable = pd.array(np.where(missing, 0, codes), dtype="Float64")
    nullable[missing] = pd.NA
    if not column.integer:
        return nullable.astype(dtype)
    unsigned = dtype.kind == "u"
    values = whole(np.where(missing, 0, codes), widest(unsigned))
    integers = pd.array(values, dtype="UInt64" if unsigned else "Int64")
    integers[missing] = pd.NA
    return integers.astype(dtype)


def widest(unsigned: bool) -> np.dtype:
    """The widest dtype of whole numbers."""
    return np.dtype(np.uint64 if unsigned else np.int64)


def as_dtype(codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 codes as another NumPy dtype; unchanged if some are missing and the dtype has no missing value."""
    if dtype.kind in "iub" and np.isnan(codes).any():
        return codes
    return whole(codes, dtype) if dtype.kind in "iu" else codes.astype(dtype)


def whole(codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 codes as an integer dtype; larger numbers are clipped to the largest float64 that it can hold."""
    info = np.iinfo(dtype)
    return np.clip(codes, float(info.min), np.nextafter(float(info.max) + 1, 0)).astype(dtype)
