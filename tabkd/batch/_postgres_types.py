"""Which PostgreSQL columns can store the values of an Arrow column, and the type in which they are sent.

COPY stores bytes as they come: the eight bytes of a double also form a `bigint`. So a value only goes into a column of
the type that tabkd itself would choose for it, or of one that stores the same values, and is converted before it is
sent.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as of

from tabkd.batch._canonical_text import LARGEST_DECIMAL, check, days, numbers, whole_numbers

# The Arrow type that the driver sends for a PostgreSQL type.
_SENT = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "text": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "interval": pa.duration("us"),
    "uuid": pa.binary(16),
}
# Types with the same bytes as text; the server checks the values.
_LIKE_TEXT = ("varchar", "bpchar", "name", "json", "xml", "citext", "enum")
_INTEGERS = ("int2", "int4", "int8")
_DIGITS_OF_SECONDS = 6


class Column(NamedTuple):
    """A column of a PostgreSQL table.

    Attributes
    ----------
    name : str
        Its name.
    shown : str
        Its type as PostgreSQL shows it, as in ``numeric(10,2)``.
    kind : str
        Its `typname` in the catalogue, which begins with "_" for an array; for a domain, that of its base type; "enum"
        for an enumeration; "" for other types.
    limit : int or None
        Largest number of characters of a text, or of decimal places of a `numeric` or of seconds.
    is_needed : bool
        Whether every row must have a value.
    is_computed : bool
        Whether PostgreSQL computes the values.
    """

    name: str
    shown: str
    kind: str
    limit: int | None = None
    is_needed: bool = False
    is_computed: bool = False

    @classmethod
    def made_for(cls, name: str, given: pa.DataType) -> Column | None:
        """The column that tabkd creates for an Arrow type; None if PostgreSQL has no such type."""
        kind = kind_of(given)
        return None if kind is None else cls(name, kind, kind)


def kind_of(given: pa.DataType) -> str | None:
    """The `typname` of the column that tabkd creates for an Arrow type; None if PostgreSQL has no such type."""
    if of.is_dictionary(given):
        return kind_of(given.value_type)
    if of.is_list(given) or of.is_large_list(given) or of.is_fixed_size_list(given):
        element = kind_of(given.value_type)
        return f"_{element}" if element in _SENT and element != "interval" else None
    if of.is_decimal(given):
        return "numeric" if given.precision <= LARGEST_DECIMAL and given.scale >= 0 else None
    if of.is_timestamp(given):
        return "timestamp" if given.tz is None else "timestamptz"
    tests = {
        "bool": (of.is_boolean,),
        "int2": (of.is_int8, of.is_int16, of.is_uint8),
        "int4": (of.is_int32, of.is_uint16),
        "int8": (of.is_int64, of.is_uint32),
        "numeric": (of.is_uint64,),
        "float4": (of.is_float16, of.is_float32),
        "float8": (of.is_float64,),
        "text": (of.is_string, of.is_large_string, of.is_string_view, of.is_null),
        "bytea": (of.is_binary, of.is_large_binary, of.is_binary_view, of.is_fixed_size_binary),
        "date": (of.is_date,),
        "time": (of.is_time,),
        "interval": (of.is_duration,),
    }
    return next((kind for kind, found in tests.items() if any(test(given) for test in found)), None)


def fits(given: pa.DataType, column: Column) -> bool:
    """Whether a column of a table stores values of an Arrow type unchanged; some values may still be out of range."""
    own = kind_of(given)
    if own is None or own == column.kind:
        return own is not None
    if of.is_null(given):
        return column.kind in (*_SENT, *_LIKE_TEXT, "numeric")
    if own in _INTEGERS or of.is_uint64(given):
        return column.kind in (*_INTEGERS, "float8", "numeric")
    others = {"float4": ("float8",), "float8": ("float4",), "text": (*_LIKE_TEXT, *_FROM_TEXT)}
    return column.kind in others.get(own, ())


def sent(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """Values converted for a column that `fits` their type.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the column cannot store a value unchanged.
    """
    if of.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if column.kind in _FROM_TEXT and kind_of(values.type) == "text" and not of.is_null(values.type):
        values = _FROM_TEXT[column.kind](values.cast(pa.string()))
    kind = _sent_as(values.type, column)
    given = values if kind == values.type else values.cast(kind)
    if of.is_float32(kind) and of.is_float64(values.type):  # where Arrow rounds
        check(pc.or_(pc.equal(given.cast(values.type), values), pc.is_nan(values)), "it has more digits than a real")
    if of.is_timestamp(kind) or of.is_date32(kind):  # which the driver moves to PostgreSQL's epoch, and may overflow
        number, most = (pa.int64(), 2**62) if of.is_timestamp(kind) else (pa.int32(), 2**30)
        check(pc.less(pc.abs_checked(given.cast(number)), most), "it is infinite, or its year is out of range")
    if column.limit is not None and of.is_string(kind):
        check(pc.less_equal(pc.utf8_length(given), column.limit), "it is too long")
    if column.limit is not None and of.is_temporal(kind):
        step = 10 ** (_DIGITS_OF_SECONDS - column.limit)
        ticks = given.cast(pa.int64())
        check(pc.equal(pc.multiply(pc.divide(ticks, step), step), ticks), "its seconds have too many digits")
    return given


def _sent_as(given: pa.DataType, column: Column) -> pa.DataType:
    if column.kind == "numeric":
        scale = given.scale if of.is_decimal(given) else 0
        return pa.decimal128(LARGEST_DECIMAL, scale if column.limit is None else min(scale, column.limit))
    if column.kind.startswith("_"):
        return pa.list_(_SENT[column.kind[1:]])
    return _SENT.get(column.kind, pa.string())


def _uuids(text: pa.ChunkedArray) -> pa.ChunkedArray:
    check(pc.match_substring_regex(text, "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"), "it is not a UUID")
    given = [None if value is None else bytes.fromhex(value.replace("-", "")) for value in text.to_pylist()]
    return pa.chunked_array([pa.array(given, pa.binary(16))])


_FROM_TEXT = {
    **dict.fromkeys(_INTEGERS, whole_numbers),
    "numeric": numbers,
    "date": days,
    "uuid": _uuids,
}
