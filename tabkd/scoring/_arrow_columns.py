"""Columns of Arrow tables, converted for the reader; without an import of pyarrow, which anyone with a table has."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tabkd._tables.levels import Dictionary

if TYPE_CHECKING:
    import pyarrow as pa


def is_arrow(X: object) -> bool:
    """Whether `X` is an Arrow table or record batch."""
    pa = sys.modules.get("pyarrow")
    return pa is not None and isinstance(X, (pa.Table, pa.RecordBatch))


def check_names(table: pa.Table | pa.RecordBatch) -> None:
    """Refuse two columns with the same name."""
    names = table.schema.names
    if len(set(names)) < len(names):
        repeated = [name for name, times in Counter(names).items() if times > 1]
        raise ValueError(f"Columns {repeated} occur more than once; give every column a different name.")


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, without the way they are stored: dictionary, view, run ends or extension."""
    import pyarrow as pa

    if isinstance(kind, pa.UuidType):
        return pa.string()
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether a plain type is text."""
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def plain(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column in a form that all Arrow functions take: its plain type, or a dictionary of it with signed positions.

    Some functions do not support views, run ends, dictionaries of these, or unsigned positions.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        A column of any type.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not (
        isinstance(kind, pa.BaseExtensionType)
        or pa.types.is_dictionary(kind)
        or pa.types.is_run_end_encoded(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary_view(kind)
    ):
        return column
    if isinstance(column, pa.ChunkedArray):
        chunks = [plain(chunk) for chunk in column.chunks] or [plain(pa.array([], kind))]
        return pa.chunked_array(chunks)
    if isinstance(kind, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return plain(column.storage)
    if pa.types.is_run_end_encoded(kind):
        return decoded(pc.run_end_decode(column))
    if pa.types.is_dictionary(kind):
        positions = column.indices
        if pa.types.is_unsigned_integer(positions.type):
            positions = positions.cast(pa.int64())
        return pa.DictionaryArray.from_arrays(positions, decoded(column.dictionary))
    wanted = plain_type(kind)
    if column.nbytes >= 2**31:
        wanted = pa.large_string() if pa.types.is_string(wanted) else pa.large_binary()
    return column.cast(wanted)


def decoded(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column as an array of its plain type, without a dictionary."""
    import pyarrow as pa

    column = plain(column)
    if not pa.types.is_dictionary(column.type):
        return column
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type)
    return column.dictionary_decode()


def to_array(column: pa.Array | pa.ChunkedArray, numeric: bool) -> np.ndarray | Dictionary:
    """A column in a form that the reader takes: a NumPy array, with NaN for null numbers, or a `Dictionary`.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        A column of any type.
    numeric : bool
        Whether the model reads numbers; if not, text becomes a `Dictionary`.
    """
    import pyarrow as pa

    column = plain(column)
    text = is_text(plain_type(column.type))
    if numeric or not text:
        # Dictionaries of other values may contain nulls, which decoding turns into nulls of the column.
        column = decoded(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # what does not fit into one array
            return _objects(column)
    kind = column.type
    if column.null_count == len(column):  # a column of any type without a value
        return np.full(len(column), np.nan)
    if numeric and pa.types.is_boolean(kind):
        column, kind = column.cast(pa.uint8()), pa.uint8()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if column.null_count:
            column = column.cast(pa.float64(), safe=False)
        return column.to_numpy(zero_copy_only=False)
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if numeric or not text:
        return _objects(column)
    if not pa.types.is_dictionary(kind):
        column = column.dictionary_encode()
    codes = column.indices.fill_null(-1) if column.indices.null_count else column.indices
    return Dictionary(column.dictionary.to_pylist(), codes.to_numpy(zero_copy_only=False))


def _objects(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A column as Python objects, whose dates and times have no nanoseconds."""
    import pyarrow as pa

    kind = column.type
    if getattr(kind, "unit", None) == "ns":
        coarser = {pa.TimestampType: lambda: pa.timestamp("us", kind.tz), pa.Time64Type: lambda: pa.time64("us")}
        column = column.cast(coarser.get(type(kind), lambda: pa.duration("us"))(), safe=False)
    return np.fromiter(column.to_pylist(), object, len(column))
