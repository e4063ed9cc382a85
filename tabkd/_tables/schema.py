"""The schema of a table: its columns, and the conversion of a frame to one matrix of codes and back.

Everything between the user's frame and the ONNX graph works on *codes*: a float64 matrix with one column for each
column of the table. A numeric column holds its values, and a categorical column the position of each value's category.
A missing value is NaN, and the number of categories is the code of every category that was not seen at `fit`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from tabkd._tables.column import Column, Kind, without_value
from tabkd._tables.containers import as_table, is_polars
from tabkd._tables.series import as_dtype, decode_column, encode_column, learn_column, whole, widest
from tabkd._tables.values import check_finite

if TYPE_CHECKING:
    import polars as pl

    from tabkd._typing import TableLike


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table and its container, learnt by `TableSchema.of`.

    Attributes
    ----------
    columns : tuple of Column
        The columns, in the order of the table.
    container : {"numpy", "pandas", "polars"}
        The library of the table.
    dtype : numpy.dtype or None
        The dtype of the whole array; None for frames.
    """

    columns: tuple[Column, ...]
    container: Literal["numpy", "pandas", "polars"]
    dtype: Any = None
    _position: dict = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._position.update({column.name: i for i, column in enumerate(self.columns)})

    @classmethod
    def of(cls, X: Any) -> TableSchema:
        """Learn the schema of `X`: a pandas or polars frame or a 2-D array of shape (n, d)."""
        frame, container = as_frame(X)
        columns = tuple(learn_column(frame, i) for i in range(frame.shape[1]))
        if container == "polars":
            columns = tuple(_replace_dtype(column, dtype) for column, dtype in zip(columns, X.dtypes, strict=True))
        dtype = getattr(X, "dtype", None) if container == "numpy" else None
        return cls(columns, container, dtype)

    @property
    def names(self) -> list:
        """The names of the columns, in the order of the table at fit."""
        return [column.name for column in self.columns]

    @property
    def titles(self) -> list[str]:
        """The names as text, as in files of rows: x0, x1, … for an array."""
        return [f"x{name}" if self.container == "numpy" else str(name) for name in self.names]

    @property
    def is_numeric(self) -> bool:
        """Whether every column is numeric."""
        return all(column.kind == "numeric" for column in self.columns)

    def positions(self, kind: Kind) -> np.ndarray:
        """The positions of the columns of one kind."""
        return np.array([i for i, c in enumerate(self.columns) if c.kind == kind], dtype=np.int64)

    def aligned(self, X: TableLike) -> pd.DataFrame:
        """The table as a pandas frame, with its columns in the order of the fit.

        Raises
        ------
        ValueError
            For missing and unexpected columns.
        """
        frame, container = as_frame(X)
        return self._align(frame, named=container != "numpy")

    def encode(self, X: TableLike) -> np.ndarray:
        """The codes of `X`, float64 of shape (n, d); columns are matched by name.

        Raises
        ------
        ValueError
            For missing and unexpected columns and for infinite values; the message names the column.
        """
        frame = self.aligned(X)
        if self.is_numeric and all(isinstance(t, np.dtype) and t.kind in "fiub" for t in frame.dtypes):
            codes = frame.to_numpy(dtype=np.float64)
            check_finite(codes, self.names)
            return codes
        codes = np.empty((len(frame), len(self.columns)), order="F")
        for i, column in enumerate(self.columns):
            codes[:, i] = encode_column(frame.iloc[:, i], column)
        numeric = self.positions("numeric")
        check_finite(codes[:, numeric], [self.names[i] for i in numeric])
        return codes

    def decode(self, codes: np.ndarray) -> Any:
        """The table with these codes, and with the container, columns, dtypes and categories of the fit.

        An unseen category becomes a missing value. NumPy's integers and booleans cannot be missing: such an array
        becomes float64 if its codes contain NaN.
        """
        if self.container == "numpy":
            return self._decode_array(codes)
        if self.container == "polars":
            return self._decode_polars(codes)
        # Keyed by position, because names may have any type and pandas would sort some of them.
        columns = {i: decode_column(codes[:, i], column) for i, column in enumerate(self.columns)}
        frame = pd.DataFrame({i: pd.Series(values, dtype=values.dtype) for i, values in columns.items()})
        frame.columns = pd.Index(self.names)
        return frame

    def _decode_array(self, codes: np.ndarray) -> np.ndarray:
        if self.is_numeric and self.dtype is not None and self.dtype != object:
            return np.ascontiguousarray(as_dtype(codes, self.dtype))
        out = np.empty(codes.shape, dtype=object)
        for i, column in enumerate(self.columns):
            out[:, i] = np.asarray(decode_column(codes[:, i], column), dtype=object)
        return out if self.dtype is None or self.dtype == object else out.astype(self.dtype)

    def _decode_polars(self, codes: np.ndarray) -> pl.DataFrame:
        import polars as pl

        def series(i: int, column: Column) -> pl.Series:
            missing = without_value(codes[:, i], column)
            if column.kind == "numeric" and column.integer:
                values = whole(np.where(missing, 0, codes[:, i]), widest(column.dtype.is_unsigned_integer()))
                return pl.Series(column.name, values).set(pl.Series(missing), None).cast(column.dtype)
            if column.kind == "numeric":
                return pl.Series(column.name, codes[:, i], nan_to_null=True).cast(column.dtype)
            position = pl.Series(np.where(missing, 0, codes[:, i]).astype(np.int64))
            position = position.set(pl.Series(missing), None)
            levels = pl.Series(list(column.categories)).cast(column.dtype)
            return levels.gather(position).alias(column.name)

        return pl.DataFrame([series(i, column) for i, column in enumerate(self.columns)])

    def _align(self, frame: pd.DataFrame, named: bool) -> pd.DataFrame:
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
        present = set(names)
        missing = [name for name in self.names if name not in present]
        unexpected = [name for name in names if name not in self._position]
        if missing or unexpected:
            raise ValueError(_names_message(missing, unexpected))
        return frame[self.names]


def as_frame(X: TableLike) -> tuple[pd.DataFrame, Literal["numpy", "pandas", "polars"]]:
    """`X` as a pandas frame, if possible without a copy, and the name of its container.

    Raises
    ------
    TypeError
        For sparse matrices and other containers.
    ValueError
        For empty tables, and for tables that `as_table` refuses.
    """
    X = as_table(X)
    if isinstance(X, pd.DataFrame):
        frame, container = X, "pandas"
    elif is_polars(X):
        frame, container = X.to_pandas(), "polars"
    else:
        # Without a dtype, pandas would convert objects to its own strings, with another missing value.
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


def _names_message(missing: list, unexpected: list) -> str:
    lines = ["The feature names should match those that were passed during fit."]
    if unexpected:
        lines += ["Feature names unseen at fit time:"] + [f"- {name}" for name in unexpected[:5]]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:"] + [f"- {name}" for name in missing[:5]]
    lines += ["Give the table the columns that the model was fitted on, in any order."]
    return "\n".join(lines) + "\n"


def _replace_dtype(column: Column, dtype: Any) -> Column:
    integer = column.kind == "numeric" and (dtype.is_integer() or str(dtype) == "Boolean")
    return Column(**{**column.__dict__, "dtype": dtype, "integer": integer})
