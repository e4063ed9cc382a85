"""Text as the numbers that a model wants; what is none is a reject."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tabkd.batch._dialect import PLAIN, Dialect
from tabkd.batch._rejects import Reject, failures, shown
from tabkd.scoring._arrow import decoded, is_text

Part = tuple[pa.Table, np.ndarray, list[Reject]]

# In lower case: of SQL, pandas, Spark, R, and what PostgreSQL copies.
_TRUE, _FALSE = pa.array(["true", "t"]), pa.array(["false", "f"])


def converted(
    table: pa.Table,
    types: Mapping[str, pa.DataType],
    positions: np.ndarray,
    source: str,
    dialect: Dialect = PLAIN,
) -> Part:
    """The table with some columns as other types, without the rows that have a wrong value.

    Parameters
    ----------
    table : pyarrow.Table
    types : mapping of str to pyarrow.DataType
        For the columns to convert: text, numbers or booleans.
    positions : array of shape (n,)
        Those of the rows in their source.
    source : str
    dialect : Dialect
        How text spells numbers.

    Returns
    -------
    table, positions, rejects
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
            for i, error in failures(lambda part, kind=kind: convert(part, kind, dialect), values):
                if good[i]:
                    value = values[i].as_py()
                    reason = _reason(values.type, kind, shown(value), error, dialect)
                    rejects.append(Reject(source, int(positions[i]), name, shown(value), reason))
                good[i] = False
    if failed:
        kept = pa.array(good)
        columns = {name: values.filter(kept) for name, values in columns.items()}
        columns |= {name: convert(columns[name], types[name], dialect) for name in failed}
        positions = positions[good]
    return (pa.table(columns) if columns else table), positions, rejects


def convert(values, kind: pa.DataType, dialect: Dialect = PLAIN):
    """An array of text, bytes or whole numbers as another type; nothing but nulls becomes any type.

    Raises
    ------
    pyarrow.ArrowInvalid
        Where one of them is none of it.
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


def are_missing(values) -> bool:
    """Whether there is no value among them, NaN being none."""
    if values.null_count == len(values):
        return True
    if not pa.types.is_floating(values.type):
        return False
    return bool(pc.all(pc.is_null(values, nan_is_null=True)).as_py())


def unspaced(text):
    """Values of a CSV that has spaces around them: without these, null where nothing is left, and without quotes."""
    trimmed = pc.utf8_trim(text, " \t")
    values = pc.if_else(pc.and_(pc.equal(trimmed, ""), pc.not_equal(text, "")), pa.scalar(None, pa.string()), trimmed)
    # Behind a space, a quote does not quote for Arrow.
    quoted = pc.match_substring_regex(values, r'(?s)^".*"$')
    if not pc.any(quoted).as_py():
        return values
    inside = pc.replace_substring(pc.utf8_slice_codeunits(values, 1, -1), '""', '"')
    return pc.if_else(quoted, inside, values)


def _without_gaps(text):
    """Text without spaces around it, and null where it spells a missing number, as for Arrow's reader of CSV."""
    text = pc.utf8_trim(text, " \t")
    missing = pc.is_in(text, pa.array(pa.csv.ConvertOptions().null_values))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _truths(text):
    """Booleans from true and false in any case, or their first letters, or 1 and 0 however a number spells them."""
    text = pc.utf8_lower(text)
    digits = pc.if_else(pc.is_in(text, _TRUE), "1", pc.if_else(pc.is_in(text, _FALSE), "0", text))
    numbers = digits.cast(pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if pc.all(pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, 1.0))).as_py() is False:
        raise pa.ArrowInvalid("a number that is neither 0 nor 1")
    return numbers.cast(pa.bool_())


#: The reason for bytes that are not text.
NOT_TEXT = "not text in UTF-8; if it is in another encoding, name it, as in --encoding latin-1"


def may_be_text(kind: pa.DataType) -> bool:
    """Whether values are read as text where a model wants text: text, bytes of it, and whole numbers."""
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    return (
        is_text(kind) or whole or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind)
    )


def _reason(stored: pa.DataType, kind: pa.DataType, value: str, error: Exception, dialect: Dialect) -> str:
    if is_text(kind) and not may_be_text(stored):
        return f"{stored}, but text in the model; store the column as text, as it was in training"
    if is_text(kind) or "UTF8" in str(error):
        return NOT_TEXT
    if pa.types.is_boolean(kind):
        return "neither true nor false"
    hint = dialect.hint(value)
    return f"not a number; if it is written as one, say so by {hint}" if hint else "not a number"
