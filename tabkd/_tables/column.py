"""One column of a table: its kind, its categories, and the way from its values to codes and back."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

Kind = Literal["numeric", "categorical"]

#: How ONNX Runtime spells NaN, None and pandas.NA when it is handed an array of objects as strings.
_MISSING_SPELLINGS = ("nan", "None", "<NA>")

_REMEDIES = {
    "datetime": "drop it, or convert it to a number, for example `X[c].dt.dayofweek`, `X[c].dt.hour` or "
    "`(X[c] - pd.Timestamp('2026-01-01')).dt.total_seconds()`",
    "time": "convert it to a number, for example its hour: `X[c].map(lambda t: t.hour)`",
    "timedelta": "convert it to a number: `X[c].dt.total_seconds()`",
    "complex": "split it into its real and its imaginary part",
    "mixed": "make the column all numbers or all strings, for example with `pd.to_numeric(X[c], errors='coerce')`, "
    "which makes anything else missing, or with `X[c].astype(str)`, which makes a category of it",
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str or int
        As the user wrote it; the position for arrays.
    kind : {"numeric", "categorical"}
    dtype : object
        The dtype of the user's column, given back by `TableSchema.decode`.
    integer : bool
        Whether the values are whole numbers by dtype.
    boolean : bool
        Whether they are True and False, whatever the dtype.
    missing : object
        What stands for a missing value in a column of objects: None, NaN or pandas.NA, as the user has it.
    categories : tuple
        The categories in the order of their codes; empty for numeric columns.
    low, high : float
        The range of the values seen at fit, NaN where there were none. Codes for categorical columns.
    has_missing : bool
        Whether a value was missing at fit.
    """

    name: Any
    kind: Kind
    dtype: Any
    integer: bool = False
    categories: tuple = ()
    low: float = float("nan")
    high: float = float("nan")
    has_missing: bool = False
    boolean: bool = False
    missing: Any = None

    @property
    def numeric_categories(self) -> bool:
        """Whether the categories are numbers, so that a matrix of numbers can carry them."""
        return bool(self.categories) and all(isinstance(c, (numbers.Real, np.bool_)) for c in self.categories)

    @property
    def keys(self) -> list:
        """The categories as ONNX meets them: floats, or strings."""
        return [float(c) if self.numeric_categories else str(c) for c in self.categories]

    @property
    def missing_spellings(self) -> list[str]:
        """The strings that stand for a missing value in this column, none of them a category."""
        keys = set(map(str, self.categories))
        free = [spelling for spelling in _MISSING_SPELLINGS if spelling not in keys]
        if free:
            return free
        spelling = "<missing>"
        while spelling in keys:
            spelling += "_"
        return [spelling]


def learn_column(frame: pd.DataFrame, position: int) -> Column:
    """What a column of a frame is, with its categories and its range.

    Raises
    ------
    TypeError, ValueError
        For values that are neither numbers nor text, with the name of the column and a remedy.
    """
    name, series = frame.columns[position], frame.iloc[:, position]
    kind = _kind(series, name)
    missing = bool(series.isna().any())
    if kind == "numeric":
        values = _numbers(series, name)
        seen = values[~np.isnan(values)]
        low, high = (float(seen.min()), float(seen.max())) if len(seen) else (np.nan, np.nan)
        boolean = pd.api.types.infer_dtype(series, skipna=True) == "boolean"
        integer = boolean or pd.api.types.is_integer_dtype(series.dtype)
        sign = _missing_sign(series)
        return Column(name, kind, series.dtype, bool(integer), (), low, high, missing, boolean, sign)
    column = Column(name, kind, series.dtype, False, _categories(series, name), has_missing=missing)
    if len(set(column.keys)) < len(column.keys):
        raise ValueError(
            f"Column {name!r} has categories that read the same as text: {column.categories[:10]}. "
            "Use strings, or numbers, but not both."
        )
    if column.numeric_categories and not np.isfinite(column.keys).all():
        raise ValueError(f"Column {name!r} has a category that is infinite; replace it by a finite number or a string.")
    codes = encode_column(series, column)
    seen = codes[~np.isnan(codes)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (np.nan, np.nan)
    sign = _missing_sign(series)
    return Column(name, kind, series.dtype, False, column.categories, low, high, missing, missing=sign)


def _missing_sign(series: pd.Series):
    """What the user writes for a missing value in a column of objects; None for other dtypes."""
    if series.dtype != object:
        return None
    missing = series[series.isna()]
    sign = missing.iloc[0] if len(missing) else None
    return np.nan if isinstance(sign, float) else sign


def _kind(series: pd.Series, name) -> Kind:
    dtype = series.dtype
    types = pd.api.types
    if isinstance(dtype, pd.SparseDtype):
        raise TypeError(f"Column {name!r} is sparse ({dtype}); use X[{name!r}].sparse.to_dense().")
    if isinstance(dtype, pd.CategoricalDtype):
        return "categorical"
    if types.is_complex_dtype(dtype):
        raise _unfit(series, name, "complex")
    if types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype):
        return "numeric"
    if types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        raise _unfit(series, name, "datetime")
    if types.is_timedelta64_dtype(dtype):
        raise _unfit(series, name, "timedelta")
    inferred = types.infer_dtype(series, skipna=True)
    if inferred == "string":
        return "categorical"
    if inferred in ("boolean", "integer", "floating", "mixed-integer-float", "decimal", "empty"):
        return "numeric"
    if inferred.startswith(("datetime", "date", "period")):
        raise _unfit(series, name, "datetime")
    if inferred.startswith("timedelta"):
        raise _unfit(series, name, "timedelta")
    if inferred == "time":
        raise _unfit(series, name, "time")
    raise _unfit(series, name, "mixed")


def _unfit(series: pd.Series, name, what: str) -> Exception:
    values = series.dropna()
    example = f", for example {values.iloc[0]!r:.60}" if len(values) else ""
    if what == "mixed":
        text = series.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
        if text.any():
            row = int(np.argmax(text))
            example = f", for example {series.iloc[row]!r:.60} in row {row:,}"
        kinds = sorted({type(v).__name__ for v in values.iloc[:10_000]})
        example = f" with values of type {', '.join(kinds)}{example}"
        # The error of scikit-learn for the same mistake, so that its readers recognise it.
        if not all(isinstance(v, (str, numbers.Number)) for v in values.iloc[:10_000]):
            return TypeError(
                f"Column {name!r} has dtype {series.dtype}{example}: argument must be a string or a number; "
                f"{_REMEDIES[what]}."
            )
    return ValueError(
        f"Column {name!r} has dtype {series.dtype}{example}, but a column must hold numbers, booleans, "
        f"strings or categories; {_REMEDIES[what]}."
    )


def _categories(series: pd.Series, name) -> tuple:
    if isinstance(series.dtype, pd.CategoricalDtype):
        return tuple(series.dtype.categories.tolist())
    return tuple(sorted(map(str, series.dropna().unique())))


def _numbers(series: pd.Series, name) -> np.ndarray:
    """The values of a numeric column as float64, NaN where missing."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":
        return series.to_numpy(dtype=np.float64)
    try:
        values = pd.to_numeric(series) if series.dtype == object else series
        return values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {name!r} was numeric at fit, but has dtype {series.dtype} now, for example "
            f"{series.dropna().iloc[0]!r:.60}. Convert it to numbers."
        ) from error


def encode_column(series: pd.Series, column: Column) -> np.ndarray:
    """The codes of values of a column, float64 of shape (n,).

    Raises
    ------
    ValueError
        For values of another kind than at fit.
    """
    if column.kind == "numeric":
        if _kind(series, column.name) != "numeric":
            example = series.dropna()
            raise ValueError(
                f"Column {column.name!r} was numeric at fit, but has dtype {series.dtype} now"
                + (f", for example {example.iloc[0]!r:.60}" if len(example) else "")
                + ". Convert it to numbers, for example with pandas.to_numeric."
            )
        return _numbers(series, column.name)
    n = len(column.categories)
    if isinstance(series.dtype, pd.CategoricalDtype):
        levels = _level_codes(pd.Series(series.dtype.categories), column)
        codes = np.append(levels, np.nan)[series.cat.codes.to_numpy()]
    else:
        codes = _level_codes(series, column)
    missing = series.isna().to_numpy()
    if missing.any():
        codes[missing] = np.nan
    if np.all(codes[~missing] == n) and not missing.all():
        _check_comparable(series, column)
    return codes


def _level_codes(values: pd.Series, column: Column) -> np.ndarray:
    """The code of each value: its category, NaN for a spelling of missing, the number of categories if unseen."""
    n = len(column.categories)
    # Read as the ONNX graph reads them, so that 3 and 3.0, or "a" of two string dtypes, are one category.
    if column.numeric_categories:
        numbers_ = pd.to_numeric(values, errors="coerce").astype("Float64")
        codes = pd.Index(np.asarray(column.keys)).get_indexer(numbers_.to_numpy(np.float64, na_value=np.nan))
    else:
        _check_zeros(values, column)
        index = pd.Index(column.keys + column.missing_spellings, dtype=object)
        codes = index.get_indexer(pd.Index(values.astype(object).map(str)))
    codes = codes.astype(np.float64)
    codes[codes >= n] = np.nan
    codes[codes < 0] = n
    return codes


def code_with_zeros(categories: Iterable) -> str | None:
    """The first category that is whole digits with zeros in front, as in 01234; None where there is none."""
    return next((c for c in categories if isinstance(c, str) and len(c) > 1 and c[0] == "0" and c.isdecimal()), None)


def _check_zeros(values: pd.Series, column: Column) -> None:
    """Refuse whole numbers where categories have zeros in front, as in 01234, which numbers have lost."""
    code = code_with_zeros(column.categories)
    if code is None or not values.notna().any() or pd.api.types.infer_dtype(values, skipna=True) != "integer":
        return
    raise ValueError(
        f"Column {column.name!r} had categories such as {code!r} at fit, but holds whole numbers such as "
        f"{values.dropna().iloc[0]} now, which have lost the zeros in front. Give the column as text, as it was at fit."
    )


def _check_comparable(series: pd.Series, column: Column) -> None:
    """Refuse a column none of whose values could ever be one of the categories: a wrong type, not new levels."""
    example = series.dropna().head(1).tolist()[0]
    if not column.categories or isinstance(example, str) == isinstance(column.categories[0], str):
        return
    raise ValueError(
        f"Column {column.name!r} had categories such as {column.categories[0]!r} at fit, but holds "
        f"{example!r:.60} ({type(example).__name__}) now. Give it the same type as at fit."
    )


def without_value(codes: np.ndarray, column: Column) -> np.ndarray:
    """Which codes stand for no value of the column: missing ones and unseen categories."""
    missing = np.isnan(codes)
    return missing | (codes >= len(column.categories)) if column.kind == "categorical" else missing


def decode_column(codes: np.ndarray, column: Column):
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
    """float64 as another dtype of NumPy; as they are where it has no missing value and the codes do."""
    if dtype.kind in "iub" and np.isnan(codes).any():
        return codes
    return whole(codes, dtype) if dtype.kind in "iu" else codes.astype(dtype)


def whole(codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 as an integer dtype; the largest float64 below its limit stands for all beyond."""
    info = np.iinfo(dtype)
    return np.clip(codes, float(info.min), np.nextafter(float(info.max) + 1, 0)).astype(dtype)
