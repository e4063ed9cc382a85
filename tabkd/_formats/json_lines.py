"""JSON Lines: a JSON object on every line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from tabkd._formats.format import Format, is_span

if TYPE_CHECKING:
    import pyarrow as pa


# A text in quotes, with what JSON escapes.
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class JsonLines(Format):
    """Lines of JSON as pandas, Spark and BigQuery read them, in UTF-8.

    Every object has all columns, in their order. Missing values and NaN are null. Integers and floats are numbers with
    all their digits, and a whole float keeps its point. JSON has no infinity: it is the text "Infinity" or
    "-Infinity". Decimals are text, because most readers round numbers to float64. Dates, times, timestamps and spans of
    time are ISO 8601 text; a timestamp with a time zone is given in UTC. Lists are arrays, and structs are objects.
    """

    name = "JSON"
    suffixes = (".jsonl",)
    instead = "Parquet"

    def written_as(self, kind: pa.DataType) -> pa.DataType:
        """The same type, or text for spans of time."""
        import pyarrow as pa

        if is_span(kind):
            return pa.string()
        as_json(pa.nulls(1, kind))
        return kind

    def opened(self, stream: BinaryIO, schema: pa.Schema) -> _Writer:
        """A writer of lines."""
        return _Writer(stream)


class _Writer:
    def __init__(self, stream: BinaryIO):
        self._stream = stream

    def write_table(self, table: pa.Table) -> None:
        import pyarrow as pa

        for batch in table.to_batches():
            lines = _objects(batch.schema.names, batch.columns, end="}\n")
            self._stream.write(_joined(pa.array([0, len(lines)], pa.int32()), lines, "")[0].as_buffer())

    def close(self) -> None:
        """Nothing is left."""


def as_json(values: pa.Array) -> pa.Array:
    """The values of a column as JSON.

    Parameters
    ----------
    values : pyarrow.Array
        The values of a column.

    Returns
    -------
    pyarrow.LargeStringArray
        The texts, without nulls: a missing value is the text ``null``.

    Raises
    ------
    pyarrow.ArrowNotImplementedError
        If JSON has no such values.
    """
    import pyarrow as pa

    kind, types = values.type, pa.types
    if types.is_null(kind) or types.is_boolean(kind) or types.is_integer(kind):
        text = _text(values)
    elif types.is_floating(kind):
        text = _float(values)
    elif types.is_string(kind) or types.is_large_string(kind):
        text = _string(values)
    elif types.is_timestamp(kind):
        text = _timestamp(values)
    elif types.is_decimal(kind) or types.is_date(kind) or types.is_time(kind):
        text = _around('"', _text(values), '"')
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        text = _list(values)
    elif types.is_struct(kind) and 0 < kind.num_fields == len({field.name for field in kind}):
        text = _struct(values)
    else:
        raise pa.ArrowNotImplementedError(f"JSON has no {kind}")
    return text.fill_null("null")


def _float(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    text = _text(pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values))
    text = pc.replace_substring_regex(text, "^(-?)inf$", r'"\1Infinity"')
    return pc.replace_substring_regex(text, "^(-?[0-9]+)$", r"\1.0")


def _string(values: pa.Array) -> pa.Array:
    import pyarrow as pa

    found = values.dictionary_encode()  # a text that repeats is escaped once
    escaped = [_quoted(text) for text in found.dictionary.to_pylist()]
    return pa.array(escaped, pa.large_string()).take(found.indices)


def _timestamp(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    # Without its zone a timestamp is that of UTC.
    text = _text(values.cast(pa.timestamp(values.type.unit)))
    return _around('"', pc.replace_substring(text, " ", "T"), '"' if values.type.tz is None else 'Z"')


def _list(values: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.list_value_length(values).cast(pa.int32())
    ends = pc.cumulative_sum(lengths.fill_null(0))
    items = _joined(pa.concat_arrays([pa.array([0], pa.int32()), ends]), as_json(values.flatten()), ",")
    return _null_where(values, _around("[", items, "]"))


def _struct(values: pa.Array) -> pa.Array:
    return _null_where(values, _objects([field.name for field in values.type], values.flatten()))


def _objects(names: Sequence[str], columns: Sequence[pa.Array], end: str = "}") -> pa.Array:
    """An object for each row, without nulls."""
    pieces: list = []
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        pieces += [f"{',' if i else '{'}{_quoted(name)}:", as_json(column)]
    return _around(*pieces, end)


def _text(values: pa.Array) -> pa.Array:
    import pyarrow as pa

    return values.cast(pa.large_string())


def _around(*pieces: str | pa.Array) -> pa.Array:
    """Pieces joined row by row; null if one of them is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    as_text = (pa.scalar(piece, pa.large_string()) if isinstance(piece, str) else piece for piece in pieces)
    return pc.binary_join_element_wise(*as_text, pa.scalar("", pa.large_string()))


def _joined(offsets: pa.Array, text: pa.Array, between: str) -> pa.Array:
    """The texts between two offsets as one, for each pair of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.binary_join(pa.ListArray.from_arrays(offsets, text), pa.scalar(between, pa.large_string()))


def _null_where(values: pa.Array, text: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(values.is_null(), pa.scalar(None, pa.large_string()), text)
