"""Which columns of a Delta table can store the values of an Arrow column, and how these are converted for it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as of

from tabkd._formats.format import is_span
from tabkd._options import option
from tabkd.batch._canonical_text import LARGEST_DECIMAL, days, numbers, whole_numbers
from tabkd.scoring._arrow_columns import decoded, is_text, plain_type


def kept_type(name: str, kind: pa.DataType) -> pa.DataType:
    """The type that a kept column is written with: its own, or text for times of day and spans of time.

    Raises
    ------
    ValueError
        If a Delta table cannot store it.
    """
    if is_span(kind) or of.is_time(kind):
        return pa.string()
    if made_for(kind) is None:
        raise ValueError(
            f"{option('keep', name)} is {kind}, which a Delta table cannot hold; leave it out, or convert it to text "
            "in the input."
        )
    return kind


def made_for(kind: pa.DataType) -> pa.DataType | None:
    """The type of the column that tabkd makes for an Arrow type; None if Delta tables have no such type.

    Examples
    --------
    >>> made_for(pa.uint16()), made_for(pa.timestamp("ns", "Europe/Paris"))
    (DataType(int32), TimestampType(timestamp[us, tz=UTC]))
    """
    kind = plain_type(kind)
    if of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind):
        element = made_for(kind.value_type)
        return None if element is None or of.is_null(kind.value_type) else pa.list_(element)
    if of.is_struct(kind):
        fields = [(field.name, made_for(field.type)) for field in kind]
        return None if not fields or any(found is None for _, found in fields) else pa.struct(fields)
    if of.is_decimal(kind):
        holds = kind.precision <= LARGEST_DECIMAL and 0 <= kind.scale <= kind.precision
        return pa.decimal128(kind.precision, kind.scale) if holds else None
    if of.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if of.is_unsigned_integer(kind):
        return {8: pa.int16(), 16: pa.int32(), 32: pa.int64(), 64: pa.decimal128(20, 0)}[kind.bit_width]
    if of.is_float16(kind):
        return pa.float32()
    if is_text(kind) or of.is_null(kind):
        return pa.string()
    if of.is_binary(kind) or of.is_large_binary(kind) or of.is_fixed_size_binary(kind):
        return pa.binary()
    if of.is_date(kind):
        return pa.date32()
    return kind if of.is_boolean(kind) or of.is_integer(kind) or of.is_floating(kind) else None


def fits(kind: pa.DataType, column: pa.DataType) -> bool:
    """Whether a column of a Delta table stores values of an Arrow type unchanged; some may still be out of range.

    Parameters
    ----------
    kind : pyarrow.DataType
        The type of the values.
    column : pyarrow.DataType
        The type of the column, as `made_for` gives it.
    """
    if of.is_null(kind) or made_for(kind) == column:
        return True
    if of.is_integer(kind):
        roomy = of.is_decimal(column) and column.precision - column.scale >= _digits(kind)
        return of.is_integer(column) or of.is_float64(column) or roomy
    if of.is_decimal(kind) and of.is_decimal(column):
        return column.scale >= kind.scale and column.precision - column.scale >= kind.precision - kind.scale
    if is_text(kind):
        return of.is_integer(column) or of.is_decimal(column) or of.is_date(column)
    return of.is_floating(kind) and of.is_float64(column)


def _digits(kind: pa.DataType) -> int:
    """The digits of the largest number of an integer type."""
    return len(str(2 ** (kind.bit_width - of.is_signed_integer(kind))))


def converted(values: pa.ChunkedArray, column: pa.DataType) -> pa.ChunkedArray:
    """Values converted for a column that `fits` their type.

    Raises
    ------
    pyarrow.ArrowException
        If the column cannot store a value unchanged.
    """
    values = decoded(values)
    if is_text(values.type) and not is_text(column):
        text = values.cast(pa.string())
        read = whole_numbers if of.is_integer(column) else days if of.is_date(column) else numbers
        values = read(text)
    return values.cast(column)
