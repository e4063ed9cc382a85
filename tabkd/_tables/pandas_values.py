"""Columns of pandas as NumPy arrays; imported only if there is a pandas frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tabkd._tables.column import Kind
from tabkd._tables.levels import Dictionary
from tabkd._tables.values import as_numbers, kind_of, not_numeric

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray, ExtensionDtype


def array_of(series: pd.Series | pd.Index) -> np.ndarray | ExtensionArray:
    """The array behind a series, as a NumPy array if possible without a conversion."""
    array = series.array
    return array.to_numpy() if isinstance(array, pd.arrays.NumpyExtensionArray) else array


def kind_of_array(array: np.ndarray | ExtensionArray, name: object) -> Kind:
    """Whether a pandas array holds numbers or categories.

    Raises
    ------
    TypeError, ValueError
        Like `kind_of`, and for sparse arrays.
    """
    _check_dense(array, name)
    # The dtype decides about text, even if all values are missing.
    if isinstance(array.dtype, pd.CategoricalDtype) or array.dtype.type is str:
        return "categorical"
    return "numeric" if _is_nullable_number(array.dtype) else kind_of(_plain(array), name, array.dtype)


def numbers_of(array: np.ndarray | ExtensionArray, name: object) -> np.ndarray:
    """The values of a column that was numeric at fit, with a numeric NumPy dtype; NaN if missing.

    Raises
    ------
    TypeError, ValueError
        Like `as_numbers`, and for sparse arrays.
    """
    _check_dense(array, name)
    if isinstance(array.dtype, pd.CategoricalDtype):
        raise not_numeric(np.asarray(array, dtype=object), name, array.dtype)
    if _is_nullable_number(array.dtype):
        return array.to_numpy(np.float64, na_value=np.nan)  # type: ignore[union-attr]
    return as_numbers(_plain(array), name, array.dtype)


def categories_of(array: np.ndarray | ExtensionArray) -> np.ndarray | Dictionary:
    """The values of a column that was categorical at fit, in a form that `Levels` takes."""
    return Dictionary(array.categories, array.codes) if isinstance(array, pd.Categorical) else _plain(array)


def _plain(array: np.ndarray | ExtensionArray) -> np.ndarray:
    """A NumPy array; of objects for dtypes that NumPy does not have, and for dates and durations."""
    is_numpy = isinstance(array.dtype, np.dtype) and array.dtype.kind not in "mM"
    return np.asarray(array) if is_numpy else np.asarray(array, dtype=object)


def _is_nullable_number(dtype: np.dtype | ExtensionDtype) -> bool:
    """Whether a dtype is a pandas or Arrow dtype of numbers or booleans, which may be missing."""
    if isinstance(dtype, np.dtype):
        return False
    types = pd.api.types
    return types.is_bool_dtype(dtype) or types.is_numeric_dtype(dtype)


def _check_dense(array: np.ndarray | ExtensionArray, name: object) -> None:
    if isinstance(array.dtype, pd.SparseDtype):
        raise TypeError(f"Column {name!r} is sparse ({array.dtype}); use X[{name!r}].sparse.to_dense().")
