"""Columns of Arrow tables as the reader takes them; pyarrow is not imported, for whoever has a table has it."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np


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


class Dictionary(NamedTuple):
    """A column by its distinct values, each of which is then looked at once and not once a row.

    Attributes
    ----------
    values : list
        They may repeat, and None may be one of them.
    codes : array of int of shape (n,)
        The position of each row's value; -1 for a null.
    """

    values: list
    codes: np.ndarray


def to_array(column, numeric: bool):
    """What the reader takes of a column: an array of NumPy's or pandas', NaN for null numbers, or a `Dictionary`.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
    numeric : bool
        Whether the model reads numbers. Else text becomes a `Dictionary`.
    """
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # what does not fit into one array
            return column.to_pandas().array
    if numeric and pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if numeric and pa.types.is_boolean(kind):
        column, kind = column.cast(pa.uint8()), pa.uint8()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if column.null_count:
            column = column.cast(pa.float64(), safe=False)
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if not numeric and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        column = column.dictionary_encode()
    if not numeric and pa.types.is_dictionary(column.type):
        codes = column.indices.fill_null(-1) if column.indices.null_count else column.indices
        return Dictionary(column.dictionary.to_pylist(), codes.to_numpy(zero_copy_only=False))
    return column.to_pandas().array
