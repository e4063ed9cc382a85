"""The columns of a PostgreSQL table, compared with those of the scores before any row is scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tabkd._options import option
from tabkd.batch._postgres_types import Column, fits

_COLUMNS = """
WITH RECURSIVE base AS (
  SELECT attnum, attname, format_type(atttypid, atttypmod) AS shown, atttypid AS oid, atttypmod AS mod,
    attnotnull AS needed, atthasdef AS given, attidentity AS identity, attgenerated AS generated
  FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attnum, attname, shown, typbasetype, CASE mod WHEN -1 THEN typtypmod ELSE mod END,
    needed OR typnotnull, given OR typdefault IS NOT NULL, identity, generated
  FROM base JOIN pg_catalog.pg_type t USING (oid) WHERE typtype = 'd'
)
SELECT attname, shown,
  CASE WHEN typtype = 'e' THEN 'enum'
    -- Of these a limit is of another form.
    WHEN mod >= 0 AND (typname = 'interval' OR typcategory = 'A') THEN ''
    WHEN typname = 'citext' OR typnamespace = 'pg_catalog'::regnamespace THEN typname ELSE '' END,
  CASE WHEN mod < 0 THEN NULL
    WHEN typname = 'numeric' THEN (((mod - 4) & 2047) # 1024) - 1024
    WHEN typname IN ('varchar', 'bpchar') THEN mod - 4
    WHEN typname IN ('time', 'timestamp', 'timestamptz') THEN mod END,
  needed AND NOT given AND identity = '' AND generated = '',
  identity = 'a' OR generated <> ''
FROM base JOIN pg_catalog.pg_type t USING (oid) WHERE typtype <> 'd' ORDER BY attnum
"""


def columns_of(cursor: Any, table: int) -> list[Column]:
    """The columns of a table by its object identifier."""
    cursor.execute(_COLUMNS, (table,))
    return [Column(*row) for row in cursor.fetchall()]


def matched(table: str, columns: Sequence[Column], rows: pa.Schema) -> dict[str, Column]:
    """The column of a table for each column of the rows.

    Raises
    ------
    ValueError
        If the table has no such column or one that cannot store the values, or if the rows have no value for a column
        of the table that needs one.
    """
    by_name = {column.name: column for column in columns}
    for field in rows:
        column = by_name.get(field.name)
        if column is None:
            raise ValueError(
                f"{option('append', True)}: the table {table!r} has no column {field.name!r}, for values of type "
                f"{field.type}. Add it to the table, or give another {option('table')}."
            )
        if column.is_computed:
            raise ValueError(
                f"{option('append', True)}: PostgreSQL itself computes the column {field.name!r} of {table!r}; leave "
                f"out {option('keep', field.name)}, or give another {option('table')}."
            )
        if not fits(field.type, column):
            raise ValueError(
                f"{option('append', True)}: the column {field.name!r} of {table!r} is {column.shown}, which cannot "
                f"hold values of type {field.type} exactly. {_remedy(field)}"
            )
    if without := [column for column in columns if column.is_needed and column.name not in rows.names]:
        raise ValueError(
            f"{option('append', True)}: the column {without[0].name!r} of {table!r} is NOT NULL and has no default, "
            f"but the scores have no such column. Give the column a default, or {option('keep')} one of that name."
        )
    return {name: by_name[name] for name in rows.names}


def made(rows: pa.Schema) -> dict[str, Column]:
    """The columns of the table that is created for the rows.

    Raises
    ------
    ValueError
        If PostgreSQL has no type for a column.
    """
    found = {field.name: Column.made_for(field.name, field.type) for field in rows}
    for name, column in found.items():
        if column is None:
            raise ValueError(
                f"{option('keep', name)} is {rows.field(name).type}, for which tabkd makes no column in PostgreSQL; "
                "leave it out, or convert it to text in the input."
            )
    return {name: column for name, column in found.items() if column is not None}


def _remedy(field: pa.Field) -> str:
    column = Column.made_for(field.name, field.type)
    another = f"score into a new {option('table')}, and insert its rows into this one with your own casts"
    if column is None:
        return f"Leave it out, or {another}."
    return f"Make it a column of type {_NAMES.get(column.kind, column.kind)}, or {another}."


# The types that have other names in the catalogue than in SQL.
_NAMES = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "timestamptz": "timestamp with time zone",
}
