"""Text as the numbers that a model wants; what is none is a reject."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from tabkd.batch.rejects import Reject, failures, shown

Part = tuple[pa.Table, np.ndarray, list[Reject]]


def converted(table: pa.Table, types: Mapping[str, pa.DataType], positions: np.ndarray, source: str) -> Part:
    """The table with its columns of text or bytes as other types, without the rows that have a wrong value.

    Parameters
    ----------
    table : pyarrow.Table
    types : mapping of str to pyarrow.DataType
        For the columns to convert: text, numbers or booleans.
    positions : array of shape (n,)
        Those of the rows in their source.
    source : str

    Returns
    -------
    table, positions, rejects
    """
    good, rejects = np.ones(table.num_rows, bool), []
    for name, kind in types.items():
        values = table.column(name)
        try:
            table = _with(table, name, convert(values, kind))
        except pa.ArrowException:
            for i, error in failures(lambda part, kind=kind: convert(part, kind), values):
                if good[i]:
                    value = shown(values[i].as_py())
                    rejects.append(Reject(source, int(positions[i]), name, value, _reason(kind, error)))
                good[i] = False
    if rejects:
        table, positions = table.filter(pa.array(good)), positions[good]
        for name, kind in types.items():
            if table.column(name).type != kind:
                table = _with(table, name, convert(table.column(name), kind))
    return table, positions, rejects


def _with(table: pa.Table, name: str, values) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def gaps_in_text(table: pa.Table) -> pa.Table:
    """A table from a CSV with its empty text as missing values."""
    for i, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            values = table.column(i)
            filled = pa.compute.if_else(pa.compute.equal(values, ""), pa.scalar(None, pa.string()), values)
            table = table.set_column(i, column, filled)
    return table


def convert(values, kind: pa.DataType):
    """An array of text, bytes or whole numbers as another type.

    Raises
    ------
    pyarrow.ArrowInvalid
        Where one of them is none of it.
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    text = values.cast(pa.string())
    if pa.types.is_string(kind):
        return text
    text = pa.compute.utf8_trim(text, " \t")
    # As Arrow's reader of CSV has it.
    missing = pa.compute.is_in(text, pa.array(pa.csv.ConvertOptions().null_values))
    return pa.compute.if_else(missing, pa.scalar(None, pa.string()), text).cast(kind)


def _reason(kind: pa.DataType, error: Exception) -> str:
    if pa.types.is_string(kind) or "UTF8" in str(error):
        return "not text in UTF-8"
    return "neither true nor false" if pa.types.is_boolean(kind) else "not a number"
