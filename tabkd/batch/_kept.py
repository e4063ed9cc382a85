"""The columns kept next to the scores: one type for all inputs and the output, without a loss of information."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from tabkd._formats.format import Format, is_bytes, is_span
from tabkd._options import option
from tabkd.batch._text import Values
from tabkd.scoring._arrow_columns import decoded, is_text

# Up to this whole number float64 distinguishes neighbouring ones.
_LARGEST_WHOLE = 2.0**53
_MOST_DIGITS = 38
_UNITS = ("s", "ms", "us", "ns")
_DIGITS_OF_INTEGERS = 20


def common_type(name: str, kinds: Sequence[pa.DataType]) -> pa.DataType:
    """The type of a kept column in the output: one that stores the values of all inputs unchanged, or text.

    Whole numbers take precedence over floats, because ids become floats in files with missing values. `as_kept` refuses
    values that are not whole.

    Parameters
    ----------
    name : str
        The name of the column.
    kinds : sequence of pyarrow.DataType
        Its plain type in each input.

    Raises
    ------
    ValueError
        If no type can store all of them.
    """
    found = list(dict.fromkeys(kind for kind in kinds if not pa.types.is_null(kind)))
    if len(found) < 2:
        return found[0] if found else pa.null()
    if all(map(is_text, found)):
        return pa.large_string()
    for applies, combined in _FAMILIES:
        if all(map(applies, found)):
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowTypeError, ValueError):
                return combined(found)
    if not all(map(_has_text, found)):
        raise ValueError(
            f"{option('keep', name)} is {' and '.join(sorted(map(str, found)))} in the inputs, and no type holds "
            "them all; leave it out, or score the inputs in separate jobs."
        )
    return pa.string()


def _is_whole(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def _is_number(kind: pa.DataType) -> bool:
    return _is_whole(kind) or pa.types.is_floating(kind)


def _is_exact(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_decimal(kind)


def _is_day_or_moment(kind: pa.DataType) -> bool:
    return pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def _widest(kinds: Iterable[pa.DataType]) -> pa.DataType:
    """The type to which Arrow promotes all of the types."""
    schemas = [pa.schema([("kept", kind)]) for kind in kinds]
    return pa.unify_schemas(schemas, promote_options="permissive").field("kept").type


def _number(kinds: Sequence[pa.DataType]) -> pa.DataType:
    whole = [pa.int8() if pa.types.is_boolean(kind) else kind for kind in kinds if _is_whole(kind)]
    if not whole:
        return _widest(kinds)
    if pa.uint64() in whole and not all(map(pa.types.is_unsigned_integer, whole)):
        raise ValueError("no integer is wide enough")
    kind = _widest(whole)
    # A float does not show the width of the whole numbers that it represents.
    return kind if len(whole) == len(kinds) else pa.int64() if pa.types.is_signed_integer(kind) else pa.uint64()


def _exact(kinds: Sequence[pa.DataType]) -> pa.DataType:
    scale = max(kind.scale if pa.types.is_decimal(kind) else 0 for kind in kinds)
    digits = (kind.precision - kind.scale if pa.types.is_decimal(kind) else _DIGITS_OF_INTEGERS for kind in kinds)
    if (precision := max(digits) + scale) > _MOST_DIGITS:
        raise ValueError(f"{precision} digits are too many")
    return pa.decimal128(precision, scale)


def _moment(kinds: Sequence[pa.DataType]) -> pa.DataType:
    if all(map(pa.types.is_date, kinds)):
        return pa.date64()
    zones = {kind.tz if pa.types.is_timestamp(kind) else None for kind in kinds}
    if len(zones) > 1 and None in zones:
        raise ValueError("a time without a zone cannot be converted to one with a zone")
    unit = max((kind.unit for kind in kinds if pa.types.is_timestamp(kind)), key=_UNITS.index)
    if any(map(pa.types.is_date64, kinds)):
        unit = max(unit, "ms", key=_UNITS.index)
    return pa.timestamp(unit, zones.pop() if len(zones) == 1 else "UTC")


_FAMILIES: list[tuple[Callable, Callable]] = [
    (_is_number, _number),
    (_is_exact, _exact),
    (_is_day_or_moment, _moment),
    (pa.types.is_time, _widest),
    (pa.types.is_duration, _widest),
    (lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind), lambda kinds: pa.large_binary()),
]


def _has_text(kind: pa.DataType) -> bool:
    """Whether values of a type can be written as unambiguous text."""
    if is_span(kind):
        return True
    if is_bytes(kind):
        return False
    try:
        pa.array([], kind).cast(pa.string())
    except pa.ArrowException:
        return False
    return True


def written_type(name: str, kind: pa.DataType, format: Format) -> pa.DataType:
    """The type that a kept column is written with: its own, or text if the format does not have it.

    Parameters
    ----------
    name : str
        The name of the column.
    kind : pyarrow.DataType
        Its type.
    format : Format
        The format of the output.

    Raises
    ------
    ValueError
        If the format cannot store it.
    """
    try:
        return format.written_as(kind)
    except pa.ArrowException as error:
        raise ValueError(
            f"{option('keep', name)} is {kind}, which {format.name} cannot hold; write {format.instead}."
        ) from error


def as_kept(values: Values, kind: pa.DataType, exact: bool = False) -> Values:
    """Convert values of a kept column to the type of the output.

    Parameters
    ----------
    values : pyarrow.Array or pyarrow.ChunkedArray
        The values in an input.
    kind : pyarrow.DataType
        The type from `common_type` and `written_type`.
    exact : bool, default=False
        Whether to refuse floats that float64 cannot distinguish from their neighbours, because other inputs have other
        types.

    Raises
    ------
    pyarrow.ArrowException
        If a value cannot be converted.
    """
    values = decoded(values)
    if values.null_count == len(values):
        return pa.nulls(len(values), kind)
    if pa.types.is_floating(values.type) and not pa.types.is_floating(kind):
        return _from_floats(values, kind, exact)
    if is_span(values.type) and is_text(kind):
        return pa.array(map(_span, values.to_pylist()) if pa.types.is_interval(values.type) else _spans(values), kind)
    return values.cast(kind)


def _from_floats(values: Values, kind: pa.DataType, exact: bool) -> Values:
    """Floats as whole numbers or as text, where a whole number has no decimal point."""
    values = values.cast(pa.float32()) if pa.types.is_float16(values.type) else values
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    if pa.types.is_integer(kind):
        values = _checked(values)
        return values.cast(kind)
    if exact:
        values = _checked(values)
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less_equal(pc.abs(values), _LARGEST_WHOLE))
    numbers = pc.if_else(whole, values, pa.scalar(0, values.type)).cast(pa.int64()).cast(pa.string())
    return pc.if_else(whole, numbers, values.cast(pa.string())).cast(kind)


def _checked(values: Values) -> Values:
    if pc.any(pc.greater(pc.abs(values), _LARGEST_WHOLE)).as_py():
        raise pa.ArrowInvalid("too large for float64 to hold exactly")
    return values


def _spans(values: Values) -> Iterable[str | None]:
    """Durations in the format of ISO 8601."""
    factor = 1000 ** (3 - _UNITS.index(values.type.unit))
    counts = values.cast(pa.int64()).to_pylist()
    return (None if count is None else _span((0, 0, count * factor)) for count in counts)


def _span(parts: tuple[int, int, int] | None) -> str | None:
    """Months, days and nanoseconds in the format of ISO 8601.

    Examples
    --------
    >>> _span((14, -3, 5_400_000_000_001)), _span((0, 0, -500_000_000)), _span((0, 0, 0))
    ('P14M-3DT5400.000000001S', 'PT-0.5S', 'PT0S')
    """
    if parts is None:
        return None
    months, days, nanoseconds = parts
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    time = f"T{'-' if nanoseconds < 0 else ''}{seconds}{fraction}S" if nanoseconds or not (months or days) else ""
    return "P" + (f"{months}M" if months else "") + (f"{days}D" if days else "") + time
