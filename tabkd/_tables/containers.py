"""The containers of tables: frames and arrays. Their libraries are not imported here: anyone with a frame has them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from tabkd._typing import TableLike


def is_pandas(X: Any) -> TypeGuard[Any]:
    """Whether `X` is a pandas frame."""
    return is_of("pandas", "DataFrame", X)


def is_polars(X: Any) -> TypeGuard[Any]:
    """Whether `X` is a polars frame."""
    return is_of("polars", "DataFrame", X)


def is_of(module: str, name: str, value: object) -> bool:
    """Whether a value is an instance of a class of a module, which is then already imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(value, kind)


def as_table(X: TableLike) -> Any:
    """`X` itself if it is a frame, otherwise `X` as a 2-D array.

    Raises
    ------
    TypeError
        For sparse matrices.
    ValueError
        For arrays that are not 2-D or are complex, and for two columns with the same name.
    """
    if is_of("scipy.sparse", "spmatrix", X) or is_of("scipy.sparse", "sparray", X):
        raise TypeError(
            "Sparse data was passed, but dense data is required: tabkd reads tables. "
            "Use X.toarray() if the table is small enough."
        )
    if is_pandas(X):
        if X.columns.has_duplicates:
            repeated = X.columns[X.columns.duplicated()].unique().tolist()
            raise ValueError(f"Columns {repeated} occur more than once; give every column a different name.")
        return X
    return X if is_polars(X) else _as_array(X)


def _as_array(X: TableLike) -> np.ndarray:
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
