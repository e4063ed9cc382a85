"""Convert text to the numbers that a model expects; rows with other text are rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tabkd._options import option
from tabkd.batch._dialect import PLAIN, Dialect
from tabkd.batch._rejects import Reject, failures_by_value, shown
from tabkd.scoring._arrow_columns import decoded, is_text

#: Rows, their positions in their source, and the rejects among them.
Part: TypeAlias = tuple[pa.Table, np.ndarray, list[Reject]]
#: The values of a column.
Values: TypeAlias = pa.Array | pa.ChunkedArray

# In lower case: the spellings of SQL, pandas, Spark and R, and those of PostgreSQL's COPY.
_TRUE, _FALSE = ["true", "t"], ["false", "f"]
# Everything that Arrow parses as a number matches the first pattern, which also matches other text; likewise for
# booleans.
_MAYBE_NUMBER = r"(?is)^([+-]?([0-9.]+(e[+-]?[0-9]*)?|inf(inity)?|nan.*))$"
_MAYBE_TRUTH = _MAYBE_NUMBER.replace("^(", "^(t|true|f|false|")


def converted(
    table: pa.Table,
    types: Mapping[str, pa.DataType],
    positions: np.ndarray,
    source: str,
    dialect: Dialect = PLAIN,
) -> Part:
    """Convert some columns of a table to other types, and leave out the rows with invalid values.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    types : mapping of str to pyarrow.DataType
        Types of the columns to convert: text, numbers or booleans.
    positions : ndarray of shape (n,)
        Positions of the rows in their source.
    source : str
        The name of the source in rejects.
    dialect : Dialect
        The format of numbers in text.

    Returns
    -------
    table : pyarrow.Table
        The valid rows.
    positions : ndarray of int
        Their positions.
    rejects : list of Reject
        The invalid rows, with the reason.
    """
    good, rejects = np.ones(table.num_rows, bool), []
    columns = dict(zip(table.schema.names, table.columns, strict=True))
    failed = []
    for name, kind in types.items():
        values = columns[name]
        try:
            columns[name] = convert(values, kind, dialect)
        except pa.ArrowException:
            failed.append(name)
            wrong = wrong_values(values, kind, dialect)
            for i, value in zip(wrong.tolist(), values.take(pa.array(wrong)).to_pylist(), strict=True):
                if good[i]:
                    reason = _reason(values.type, kind, value, dialect)
                    rejects.append(Reject(source, int(positions[i]), name, shown(value), reason))
            good[wrong] = False
    if failed:
        kept = pa.array(good)
        columns = {name: values.filter(kept) for name, values in columns.items()}
        columns |= {name: convert(columns[name], types[name], dialect) for name in failed}
        positions = positions[good]
    return (pa.table(columns) if columns else table), positions, rejects


def convert(values: Values, kind: pa.DataType, dialect: Dialect = PLAIN) -> Values:
    """Convert text, bytes or whole numbers to another type; an array of nulls can become any type.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a value cannot be converted.
    """
    values = decoded(values)
    if are_missing(values):
        return pa.nulls(len(values), kind)
    if is_text(kind):
        if not may_be_text(values.type):
            raise pa.ArrowInvalid(f"{values.type} is not text")
        return values.cast(kind)
    text = values.cast(pa.string())
    if pa.types.is_boolean(kind):
        return _truths(_without_gaps(text))
    try:
        return dialect.spelt_for_arrow(text).cast(kind)
    except pa.ArrowInvalid:
        return dialect.spelt_for_arrow(_without_gaps(text)).cast(kind)


def wrong_values(values: Values, kind: pa.DataType, dialect: Dialect = PLAIN) -> np.ndarray:
    """The positions of the values that `convert` refuses, in their order.

    One pass finds the values that are clearly invalid. Only the others are converted one by one, so a column of invalid
    values takes about as long as a column of valid ones.
    """
    plainly = _plainly_wrong(decoded(values), kind, dialect)
    others = np.flatnonzero(~plainly)
    found = failures_by_value(lambda part: convert(part, kind, dialect), values.take(pa.array(others)))
    return np.sort(np.concatenate([np.flatnonzero(plainly), others[[i for i, _ in found]]]))


def _plainly_wrong(values: Values, kind: pa.DataType, dialect: Dialect) -> np.ndarray:
    """A mask, shape (n,), of values that `convert` certainly refuses; it may refuse others as well."""
    if is_text(kind) and not may_be_text(values.type):
        return _mask(pc.invert(pc.is_null(values, nan_is_null=pa.types.is_floating(values.type))))
    bad = np.zeros(len(values), bool)
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        bad = np.array([value is not None and not _is_text(value) for value in values.to_pylist()], bool)
        values = pc.if_else(pa.array(bad), pa.scalar(None, values.type), values)
    text = _without_gaps(values.cast(pa.string())) if not is_text(kind) else None
    if pa.types.is_boolean(kind):
        bad |= _mask(pc.invert(pc.match_substring_regex(text, _MAYBE_TRUTH)))
    elif pa.types.is_floating(kind):
        bad |= _mask(pc.invert(pc.match_substring_regex(dialect.spelt_for_arrow(text), _MAYBE_NUMBER)))
    return bad


def _mask(flags: Values) -> np.ndarray:
    return flags.fill_null(False).to_numpy(zero_copy_only=False)


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def are_missing(values: Values) -> bool:
    """Whether all values are missing, where NaN counts as missing."""
    if values.null_count == len(values):
        return True
    if not pa.types.is_floating(values.type):
        return False
    return bool(pc.all(pc.is_null(values, nan_is_null=True)).as_py())


def unspaced(text: Values) -> Values:
    """Values of a CSV without surrounding spaces and quotes; a value of spaces only becomes null."""
    trimmed = pc.utf8_trim(text, " \t")
    values = pc.if_else(pc.and_(pc.equal(trimmed, ""), pc.not_equal(text, "")), pa.scalar(None, pa.string()), trimmed)
    # Arrow does not treat a quote after a space as a quote.
    quoted = pc.match_substring_regex(values, r'(?s)^".*"$')
    if not pc.any(quoted).as_py():
        return values
    inside = pc.replace_substring(pc.utf8_slice_codeunits(values, 1, -1), '""', '"')
    return pc.if_else(quoted, inside, values)


def _without_gaps(text: Values) -> Values:
    """Text without surrounding spaces; null if it is one of the spellings of a missing value of Arrow's CSV reader."""
    text = pc.utf8_trim(text, " \t")
    missing = pc.is_in(text, pa.array(pa.csv.ConvertOptions().null_values))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _truths(text: Values) -> Values:
    """Booleans from true and false in any case, their first letters, or 1 and 0 in any spelling of numbers."""
    text = pc.utf8_lower(text)
    digits = pc.if_else(pc.is_in(text, pa.array(_TRUE)), "1", pc.if_else(pc.is_in(text, pa.array(_FALSE)), "0", text))
    numbers = digits.cast(pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if pc.all(pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, 1.0))).as_py() is False:
        raise pa.ArrowInvalid("a number that is neither 0 nor 1")
    return numbers.cast(pa.bool_())


def not_text() -> str:
    """The reason for bytes that are not text."""
    return f"not text in UTF-8; if it has another encoding, name it, as in {option('encoding', 'latin-1')}"


def may_be_text(kind: pa.DataType) -> bool:
    """Whether values of a type are accepted where a model expects text: text, its bytes, and whole numbers."""
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    return (
        is_text(kind) or whole or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind)
    )


def _reason(stored: pa.DataType, kind: pa.DataType, value: object, dialect: Dialect) -> str:
    if is_text(kind) and not may_be_text(stored):
        return f"{stored}, but text in the model; store the column as text, as it was in training"
    if is_text(kind) or (isinstance(value, bytes) and not _is_text(value)):
        return not_text()
    if pa.types.is_boolean(kind):
        return "neither true nor false"
    hint = dialect.hint(shown(value))
    return f"not a number; to read it as one, add {hint}" if hint else "not a number"
