"""A DuckDB file: its errors, and the types whose values arrive unchanged."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tabkd._options import option
from tabkd.batch._sources import check_names
from tabkd.batch._sql import Reading, quoted, selected

# Arrow stores values of these types unchanged. All others are read as text: they would become bytes, lose a time zone
# offset, or not fit.
_EXACT = {
    *("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"),
    *("float", "double", "decimal", "varchar", "uuid", "blob", "null"),
}
# Types whose values can be outside Arrow's range, which is checked in columns, but not inside lists.
_MOMENTS = {
    *("date", "time", "time_ns", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"),
    "timestamp with time zone",
}
_NESTED = ("list", "struct", "map")


@contextlib.contextmanager
def reading(path: str) -> Iterator[Reading]:
    """The functions that read a file.

    Raises
    ------
    ValueError
        If DuckDB is missing or refuses a query.
    """
    try:
        import duckdb
    except ImportError as error:
        raise ValueError("DuckDB files need DuckDB: pip install duckdb.") from error

    def columns_of(query: str) -> dict[str, str]:
        none = connection.sql(f"{selected(['*'], query)} LIMIT 0")
        # Names that differ only in case are equal in DuckDB, which would rename the second one.
        check_names(option("query"), [name.lower() for name in connection.sql(query).columns])
        return {
            name: quoted(name) if _is_exact(kind) else f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}"
            for name, kind in zip(none.columns, none.types, strict=True)
        }

    def read(query: str, rows: int) -> pa.RecordBatchReader:
        return connection.sql(query).to_arrow_reader(rows)

    try:
        with duckdb.connect(path, read_only=True) as connection:
            yield Reading(columns_of, read, connection.interrupt)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise ValueError(f"{path!r}: {' '.join(str(error).split())}") from error


def _is_exact(kind: Any, within: bool = False) -> bool:
    """Whether Arrow stores the values of a DuckDB type unchanged; `within` a list or struct, no dates and times."""
    if kind.id in _NESTED:
        return all(_is_exact(child, within=True) for _, child in kind.children)
    return kind.id in _EXACT or (kind.id in _MOMENTS and not within)
