"""The columns of a Delta table, compared with those of the scores before any row is scored."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa

from tabkd._options import option
from tabkd.batch._delta_types import fits, made_for

if TYPE_CHECKING:
    from deltalake import DeltaTable

# What the metadata of a column has where the table computes its values.
_COMPUTED = ("delta.generationExpression", "delta.identity.start", "CURRENT_DEFAULT")


def made(rows: pa.Schema) -> pa.Schema:
    """The columns of a table that is made for rows.

    Raises
    ------
    ValueError
        If two columns have names that differ in case only, which Delta tables do not tell apart.
    """
    called = Counter(name.lower() for name in rows.names)
    if twice := [name for name in rows.names if called[name.lower()] > 1]:
        raise ValueError(
            f"the columns {' and '.join(map(repr, twice))} are one name in a Delta table, which does not tell upper "
            "from lower case; rename one of them in the input."
        )
    return pa.schema([(field.name, made_for(field.type)) for field in rows])


def matched(shown: str, table: DeltaTable, rows: pa.Schema) -> pa.Schema:
    """The columns of a table in their order, each with the type that is written.

    Parameters
    ----------
    shown : str
        The name of the table in errors.
    table : deltalake.DeltaTable
        The table.
    rows : pyarrow.Schema
        The schema of the rows.

    Raises
    ------
    ValueError
        If the table lacks a column or has one that cannot store the values, computes values, or needs values that the
        rows do not have.
    """
    adding = option("append", True)
    for field in table.schema().fields:
        if field.name in rows.names or not any(name in field.metadata for name in _COMPUTED):
            continue
        raise ValueError(
            f"{adding}: the table {shown!r} computes its column {field.name!r}, which tabkd cannot fill; write to "
            "another table."
        )
    columns = pa.schema(table.schema())
    for row in rows:
        if row.name not in columns.names:
            raise ValueError(
                f"{adding}: the table {shown!r} has no column {row.name!r}, for values of type {row.type}. Add it to "
                f"the table, or write to another one.{_otherwise_written(row.name, columns)}"
            )
        column = columns.field(row.name)
        found = made_for(column.type)
        if found is None or not fits(row.type, found):
            raise ValueError(
                f"{adding}: the column {row.name!r} of {shown!r} is {column.type}, which cannot hold values of type "
                f"{row.type} exactly. Make it a column of type {made_for(row.type)}, or write to a new table and "
                "insert its rows into this one with your own casts."
            )
    if needed := [column.name for column in columns if not column.nullable and column.name not in rows.names]:
        raise ValueError(
            f"{adding}: the column {needed[0]!r} of {shown!r} is NOT NULL, but the scores have no such column. "
            f"{option('keep')} one of that name, or drop the constraint of the column."
        )
    return pa.schema([column.with_type(made_for(column.type) or column.type).remove_metadata() for column in columns])


def _otherwise_written(name: str, columns: pa.Schema) -> str:
    close = [there for there in columns.names if there.lower() == name.lower()]
    return f" Its column {close[0]!r} is written otherwise." if close else ""
