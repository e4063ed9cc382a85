"""Columns of any library, converted for the reader to a NumPy array or a `Dictionary`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabkd._tables.containers import is_of
from tabkd._tables.levels import Dictionary
from tabkd.scoring import _arrow_columns as arrow


def to_array(column: Any, numeric: bool, name: object) -> np.ndarray | Dictionary:
    """A column in a form that the reader takes.

    Parameters
    ----------
    column : array-like
        An array of NumPy, Arrow or pandas, a series or an index of pandas, a series of polars, or anything that NumPy
        converts.
    numeric : bool
        Whether the model reads numbers.
    name : object
        The name of the column, for errors.
    """
    if isinstance(column, np.ndarray):
        return column
    if is_of("polars", "Series", column):
        if str(column.dtype) == "Object":  # Arrow has no such type
            return np.fromiter(column.to_list(), object, len(column))
        column = column.to_arrow()
    if is_of("pyarrow", "Array", column) or is_of("pyarrow", "ChunkedArray", column):
        return arrow.to_array(column, numeric)
    if (
        is_of("pandas", "Series", column)
        or is_of("pandas", "Index", column)
        or is_of("pandas.api.extensions", "ExtensionArray", column)
    ):
        from tabkd.scoring import _pandas as pandas

        return pandas.to_array(column, numeric, name)
    return np.asarray(column)
