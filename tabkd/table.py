"""What a table is: its columns, and the way from a frame to one matrix of codes and back.

Everything between the user's frame and the ONNX graph works on *codes*: a float64 matrix with one column for each
column of the table. A numeric column holds its values, a categorical column the position of its category; a missing
value is NaN, and a category that was not there at `fit` is the number of categories.
"""

from __future__ import annotations

import numbers
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse

Kind = Literal["numeric", "categorical"]

#: How ONNX Runtime spells NaN, None and pandas.NA when it is handed an array of objects as strings.
_MISSING_SPELLINGS = ("nan", "None", "<NA>")

_REMEDIES = {
    "datetime": "convert it to a number, for example seconds: `X[c].astype('int64') // 10**9`",
    "timedelta": "convert it to a number: `X[c].dt.total_seconds()`",
    "complex": "split it into its real and its imaginary part",
    "mixed": "make the column all numbers or all strings, for example with `X[c].astype(str)`",
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


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table and its container, learnt by `TableSchema.of`.

    Attributes
    ----------
    columns : tuple of Column
    container : {"numpy", "pandas", "polars"}
    dtype : numpy.dtype or None
        The dtype of the whole array, for NumPy.
    """

    columns: tuple[Column, ...]
    container: Literal["numpy", "pandas", "polars"]
    dtype: Any = None
    _position: dict = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self):
        self._position.update({column.name: i for i, column in enumerate(self.columns)})

    @classmethod
    def of(cls, X) -> TableSchema:
        """Learn the schema of `X`: a pandas or polars frame or a 2-D array of shape (n, d)."""
        frame, container = as_frame(X)
        columns = tuple(_learn_column(frame, i) for i in range(frame.shape[1]))
        if container == "polars":
            columns = tuple(_replace_dtype(column, dtype) for column, dtype in zip(columns, X.dtypes, strict=True))
        dtype = getattr(X, "dtype", None) if container == "numpy" else None
        return cls(columns, container, dtype)

    @property
    def names(self) -> list:
        """The names of the columns, in the order of the table at fit."""
        return [column.name for column in self.columns]

    @property
    def is_numeric(self) -> bool:
        """Whether every column is numeric."""
        return all(column.kind == "numeric" for column in self.columns)

    def positions(self, kind: Kind) -> np.ndarray:
        """The positions of the columns of one kind."""
        return np.array([i for i, c in enumerate(self.columns) if c.kind == kind], dtype=np.int64)

    def encode(self, X) -> np.ndarray:
        """Codes of `X`, float64 of shape (n, d), its columns matched by name.

        Raises
        ------
        ValueError
            For missing, unexpected or infinite columns and values, with the name of the column.
        """
        frame, container = as_frame(X)
        frame = self._align(frame, named=container != "numpy")
        if self.is_numeric and all(isinstance(t, np.dtype) and t.kind in "fiub" for t in frame.dtypes):
            codes = frame.to_numpy(dtype=np.float64)
            check_finite(codes, self.names)
            return codes
        codes = np.empty((len(frame), len(self.columns)), order="F")
        for i, column in enumerate(self.columns):
            codes[:, i] = _encode_column(frame.iloc[:, i], column)
        numeric = self.positions("numeric")
        check_finite(codes[:, numeric], [self.names[i] for i in numeric])
        return codes

    def decode(self, codes: np.ndarray):
        """The table that has these codes: same container, columns, dtypes and categories as at fit.

        An unseen category becomes a missing value. NumPy's whole numbers and booleans have none: such a column is
        float64 where its codes hold NaN.
        """
        if self.container == "numpy":
            return self._decode_array(codes)
        if self.container == "polars":
            return self._decode_polars(codes)
        # Keyed by position: names may be of any type, and pandas would order them otherwise.
        columns = {i: _decode_column(codes[:, i], column) for i, column in enumerate(self.columns)}
        frame = pd.DataFrame({i: pd.Series(values, dtype=values.dtype) for i, values in columns.items()})
        frame.columns = pd.Index(self.names)
        return frame

    def _decode_array(self, codes):
        if self.is_numeric and self.dtype is not None and self.dtype != object:
            return np.ascontiguousarray(_as_dtype(codes, self.dtype))
        out = np.empty(codes.shape, dtype=object)
        for i, column in enumerate(self.columns):
            out[:, i] = np.asarray(_decode_column(codes[:, i], column), dtype=object)
        return out if self.dtype is None or self.dtype == object else out.astype(self.dtype)

    def _decode_polars(self, codes):
        import polars as pl

        def values(i, column):
            missing = _without_value(codes[:, i], column)
            if column.kind == "numeric" and column.integer:
                whole = _whole(np.where(missing, 0, codes[:, i]), _widest(column.dtype.is_unsigned_integer()))
                return pl.Series(column.name, whole).set(pl.Series(missing), None).cast(column.dtype)
            if column.kind == "numeric":
                return pl.Series(column.name, codes[:, i], nan_to_null=True).cast(column.dtype)
            position = pl.Series(np.where(missing, 0, codes[:, i]).astype(np.int64))
            position = position.set(pl.Series(missing), None)
            levels = pl.Series(list(column.categories)).cast(column.dtype)
            return levels.gather(position).alias(column.name)

        return pl.DataFrame([values(i, column) for i, column in enumerate(self.columns)])

    def _align(self, frame, named: bool):
        """The columns of `frame` in the order of the schema."""
        if not named or self.container == "numpy":
            if frame.shape[1] != len(self.columns):
                raise ValueError(
                    f"X has {frame.shape[1]} features, but this model is expecting {len(self.columns)} "
                    "features as input."
                )
            return frame
        names = list(frame.columns)
        if names == self.names:
            return frame
        missing = [name for name in self.names if name not in set(names)]
        unexpected = [name for name in names if name not in self._position]
        if missing or unexpected:
            raise ValueError(_names_message(missing, unexpected))
        return frame[self.names]


def as_table(X):
    """`X` as it is if it is a frame, else as a 2-D array.

    Raises
    ------
    TypeError
        For sparse matrices.
    ValueError
        For arrays that are not 2-D, complex ones, and columns of one name.
    """
    if scipy.sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed, but dense data is required: tabkd reads tables. "
            "Use X.toarray() if the table is small enough."
        )
    if isinstance(X, pd.DataFrame):
        if X.columns.has_duplicates:
            repeated = X.columns[X.columns.duplicated()].unique().tolist()
            raise ValueError(f"Columns {repeated} occur more than once; give every column a name of its own.")
        return X
    return X if _is_polars(X) else _as_array(X)


def as_frame(X) -> tuple[pd.DataFrame, Literal["numpy", "pandas", "polars"]]:
    """`X` as a pandas frame, without a copy where that is possible, and the container it came in.

    Raises
    ------
    TypeError
        For sparse matrices and other containers.
    ValueError
        For empty tables, and what `as_table` refuses.
    """
    X = as_table(X)
    if isinstance(X, pd.DataFrame):
        frame, container = X, "pandas"
    elif _is_polars(X):
        frame, container = X.to_pandas(), "polars"
    else:
        # pandas would make columns of its own strings out of objects, and another missing value with them.
        frame, container = pd.DataFrame(X, dtype=object if X.dtype == object else None), "numpy"
    if len(frame) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required: "
            "the table has no rows."
        )
    if frame.shape[1] == 0:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={frame.shape}) while a minimum of 1 is required: "
            "the table has no columns."
        )
    return frame, container  # type: ignore[return-value]


def check_finite(values: np.ndarray, names: list, first_row: int = 0) -> None:
    """Refuse infinite values, naming the first row, counted from `first_row`, and column that has one; NaN passes."""
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


def _is_polars(X) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)


def _as_array(X) -> np.ndarray:
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead:\narray={array!r:.80}.\n"
            "Reshape your data either using array.reshape(-1, 1) if your data has a single feature or "
            "array.reshape(1, -1) if it contains a single sample."
        )
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported; split it into its real and its imaginary part.")
    return array


def _names_message(missing: list, unexpected: list) -> str:
    lines = ["The feature names should match those that were passed during fit."]
    if unexpected:
        lines += ["Feature names unseen at fit time:"] + [f"- {name}" for name in unexpected[:5]]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:"] + [f"- {name}" for name in missing[:5]]
    lines += ["Give the table the columns that the model was fitted on, in any order."]
    return "\n".join(lines) + "\n"


def _replace_dtype(column: Column, dtype) -> Column:
    integer = column.kind == "numeric" and (dtype.is_integer() or str(dtype) == "Boolean")
    return Column(**{**column.__dict__, "dtype": dtype, "integer": integer})


def _learn_column(frame: pd.DataFrame, position: int) -> Column:
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
    codes = _encode_column(series, column)
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
    raise _unfit(series, name, "mixed")


def _unfit(series: pd.Series, name, what: str) -> Exception:
    values = series.dropna()
    example = f", for example {values.iloc[0]!r:.60}" if len(values) else ""
    if what == "mixed":
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


def _encode_column(series: pd.Series, column: Column) -> np.ndarray:
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
        index = pd.Index(column.keys + column.missing_spellings, dtype=object)
        codes = index.get_indexer(pd.Index(values.astype(object).map(str)))
    codes = codes.astype(np.float64)
    codes[codes >= n] = np.nan
    codes[codes < 0] = n
    return codes


def _check_comparable(series: pd.Series, column: Column) -> None:
    """Refuse a column none of whose values could ever be one of the categories: a wrong type, not new levels."""
    example = series.dropna().head(1).tolist()[0]
    if not column.categories or isinstance(example, str) == isinstance(column.categories[0], str):
        return
    raise ValueError(
        f"Column {column.name!r} had categories such as {column.categories[0]!r} at fit, but holds "
        f"{example!r:.60} ({type(example).__name__}) now. Give it the same type as at fit."
    )


def _without_value(codes: np.ndarray, column: Column) -> np.ndarray:
    """Which codes stand for no value of the column: missing ones and unseen categories."""
    missing = np.isnan(codes)
    return missing | (codes >= len(column.categories)) if column.kind == "categorical" else missing


def _decode_column(codes: np.ndarray, column: Column):
    """The values as an array with the dtype of the column."""
    missing = _without_value(codes, column)
    if column.kind == "categorical":
        if isinstance(column.dtype, pd.CategoricalDtype):
            return pd.Categorical.from_codes(np.where(missing, -1, codes).astype(np.int64), dtype=column.dtype)
        levels = np.array([*column.categories, column.missing], dtype=object)
        values = levels[np.where(missing, len(column.categories), codes).astype(np.int64)]
        return pd.array(values, dtype=column.dtype) if column.dtype != object else values
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return _as_dtype(codes, dtype)
    if isinstance(dtype, np.dtype):  # objects
        values = codes.astype(bool if column.boolean else np.float64).astype(object)
        values[missing] = column.missing
        return values
    nullable = pd.array(np.where(missing, 0, codes), dtype="Float64")
    nullable[missing] = pd.NA
    if not column.integer:
        return nullable.astype(dtype)
    unsigned = dtype.kind == "u"
    values = _whole(np.where(missing, 0, codes), _widest(unsigned))
    whole = pd.array(values, dtype="UInt64" if unsigned else "Int64")
    whole[missing] = pd.NA
    return whole.astype(dtype)


def _widest(unsigned: bool) -> np.dtype:
    return np.dtype(np.uint64 if unsigned else np.int64)


def _as_dtype(codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 as another dtype of NumPy; as they are where it has no missing value and the codes do."""
    if dtype.kind in "iub" and np.isnan(codes).any():
        return codes
    return _whole(codes, dtype) if dtype.kind in "iu" else codes.astype(dtype)


def _whole(codes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """float64 as an integer dtype; the largest float64 below its limit stands for all beyond."""
    info = np.iinfo(dtype)
    return np.clip(codes, float(info.min), np.nextafter(float(info.max) + 1, 0)).astype(dtype)
