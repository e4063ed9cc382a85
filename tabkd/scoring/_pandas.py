"""Columns of pandas frames, converted for the reader; imported only if there is such a frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tabkd._tables.levels import Dictionary
from tabkd._tables.pandas_values import array_of, categories_of, numbers_of
from tabkd.scoring import _arrow_columns as arrow

if TYPE_CHECKING:
    from pandas.api.extensions import ExtensionArray


def arrays(frame: pd.DataFrame) -> Iterator:
    """The array of each column, of NumPy or pandas."""
    # Ten times faster than a Series for each column. The method is private, hence the alternative if pandas drops it.
    found = getattr(frame, "_iter_column_arrays", None)
    return found() if found is not None else (array_of(series) for _, series in frame.items())


def to_array(
    array: pd.Series | pd.Index | np.ndarray | ExtensionArray, numeric: bool, name: object
) -> np.ndarray | Dictionary:
    """Like `tabkd.scoring._columns.to_array`, for an array of pandas, a series or an index."""
    if isinstance(array, (pd.Series, pd.Index)):
        array = array_of(array)
    if isinstance(array, np.ndarray):
        return array
    if isinstance(array.dtype, pd.ArrowDtype):
        return arrow.to_array(array.__arrow_array__(), numeric)  # type: ignore[attr-defined]
    return numbers_of(array, name) if numeric else categories_of(array)
