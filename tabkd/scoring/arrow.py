"""Columns of Arrow tables as the reader takes them; pyarrow is not imported, for whoever has a table has it."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd


def is_arrow(X) -> bool:
    """Whether `X` is a table or a batch of Arrow's."""
    pa = sys.modules.get("pyarrow")
    return pa is not None and isinstance(X, (pa.Table, pa.RecordBatch))


def check_names(table) -> None:
    """Refuse columns of one name."""
    names = table.schema.names
    if len(set(names)) < len(names):
        repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise ValueError(f"Columns {repeated} occur more than once; give every column a name of its own.")


def to_array(column, numeric: bool):
    """An array of NumPy's or pandas' with the values of a column, NaN for null numbers.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
    numeric : bool
        Whether the model reads numbers. Text that it reads as categories becomes a pandas Categorical: its values are
        then looked up once each, and not once a row.
    """
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # what does not fit into one array
            return column.to_pandas().array
    kind = column.type
    if numeric and pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.uint8()), pa.uint8()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if column.null_count:
            column = column.cast(pa.float64(), safe=False)
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if numeric:
        return column.to_pandas().array
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        return _categorical(column)
    return column.to_pandas().array


def _categorical(column) -> pd.Categorical:
    categories = column.dictionary.to_pandas()
    if categories.isna().any() or categories.duplicated().any():  # Arrow allows both, pandas neither
        column = column.dictionary_decode().dictionary_encode()
        categories = column.dictionary.to_pandas()
    codes = column.indices.fill_null(-1) if column.indices.null_count else column.indices
    return pd.Categorical.from_codes(codes.to_numpy(zero_copy_only=False), pd.Index(categories))
